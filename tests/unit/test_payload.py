import json

from gateway.content import Action, Notification
from gateway.payload import EVENT_TOKEN_LENGTH, PROMPT_SPREAD, PayloadTemplate, Validity, bytes_over
from gateway.tokens import issue_event_token
from gateway.webpush import MAX_PLAINTEXT
from storage.ids import Kind, encode_id
from storage.messages import Priority

MESSAGE = 0x1234567
TOKEN = "t" * EVENT_TOKEN_LENGTH
GATEWAY = "https://push.example.com"


def template(priority: Priority = Priority.BULK, **fields: object) -> PayloadTemplate:
    notification = Notification(**{"title": "Hi", **fields})  # type: ignore[arg-type]
    return PayloadTemplate(MESSAGE, notification, GATEWAY, priority)


def test_reports_of_a_transactional_message_are_hardly_spread() -> None:
    assert json.loads(template(Priority.TRANSACTIONAL).render(TOKEN))["j"] == PROMPT_SPREAD
    assert "j" not in json.loads(template(Priority.BULK).render(TOKEN))


def test_the_payload_holds_version_message_token_notification_and_gateway() -> None:
    payload = template(url="https://example.com/", actions=(Action("a", "A"),), silent=True).render(TOKEN)
    assert json.loads(payload) == {
        "v": 1,
        "m": encode_id(Kind.MESSAGE, MESSAGE),
        "t": TOKEN,
        "n": {
            "title": "Hi",
            "url": "https://example.com/",
            "actions": [{"action": "a", "title": "A"}],
            "silent": True,
        },
        "g": GATEWAY,
    }


def test_a_payload_that_ends_says_when_and_what_is_shown_instead() -> None:
    until = PayloadTemplate(
        MESSAGE,
        Notification("Hi"),
        GATEWAY,
        Priority.TRANSACTIONAL,
        Validity(5, Notification("Bye", body="!")),
    )
    for data in (None, {"a": 1}):
        said = json.loads(until.render(TOKEN, data))
        assert (said["u"], said["f"], said["g"]) == (5, {"title": "Bye", "body": "!"}, GATEWAY)
    alone = PayloadTemplate(MESSAGE, Notification("Hi"), GATEWAY, Priority.BULK, Validity(5, None))
    assert alone.render(TOKEN) == template(Priority.BULK).render(TOKEN)[:-1] + b',"u":5}'


def test_what_is_not_set_costs_no_bytes() -> None:
    assert b'"n":{"title":"Hi"}' in template().render(TOKEN)


def test_a_recipients_data_is_added_and_wins() -> None:
    common = template(data={"shop": 1, "name": "you"})
    assert json.loads(common.render(TOKEN, {"name": "Ann"}))["n"]["data"] == {"shop": 1, "name": "Ann"}
    assert json.loads(common.render(TOKEN))["n"]["data"] == {"shop": 1, "name": "you"}
    assert json.loads(common.render(TOKEN, {}))["n"]["data"] == {"shop": 1, "name": "you"}


def test_rendering_with_data_says_the_same_as_rendering_without() -> None:
    common = template(body='quotes " and \\ and \u20ac', tag="a")
    bare, with_data = json.loads(common.render(TOKEN)), json.loads(common.render(TOKEN, {"a": 1}))
    del with_data["n"]["data"]
    assert with_data == bare


def test_the_size_is_judged_with_a_token_as_long_as_real_ones() -> None:
    token = issue_event_token(bytes(32), 2**62, MESSAGE, 2**62, 255, 1_767_225_600_000)
    assert len(token) == EVENT_TOKEN_LENGTH


def test_bytes_over_counts_utf_8_from_the_limit_of_one_record() -> None:
    used = len(template(data={"x": ""}).render(TOKEN))
    room = MAX_PLAINTEXT - used
    assert bytes_over(template(data={"x": "z" * room})) == 0
    assert bytes_over(template(data={"x": "z" * (room + 1)})) == 1
    assert bytes_over(template(data={"x": "z" * (room - 2) + "\u20ac"})) == 1
    assert bytes_over(template(data={"x": "z" * room}), {"y": 1}) == len(',"y":1')
