"""Saved notifications, and messages that are made of them."""

from typing import Any

import pytest

from tests.api.conftest import Api

SALE = {
    "name": "Sale",
    "notification": {"title": "{{ variables.what }} for {{ attributes.name | default: variables.who }}"},
    "options": {"ttl": 600, "urgency": "high", "topic": None},
    "variables": {"who": "you"},
}
EVERYBODY = {"all": True}


@pytest.fixture
async def sale(api: Api, site: str) -> dict[str, Any]:
    made: dict[str, Any] = await api.post(f"/v1/sites/{site}/templates", SALE)
    return made


async def send(api: Api, site: str, status: int = 202, **body: Any) -> Any:
    return await api.post(f"/v1/sites/{site}/messages", {"audience": EVERYBODY, **body}, status)


async def test_a_template_is_saved_shown_changed_listed_and_deleted(
    api: Api, site: str, sale: dict[str, Any]
) -> None:
    path = f"/v1/sites/{site}/templates/{sale['id']}"
    assert {name: sale[name] for name in SALE} == SALE
    assert await api.get(path) == sale
    changed = await api.patch(path, {"name": "Big sale", "variables": {}})
    assert (changed["name"], changed["variables"]) == ("Big sale", {})
    assert changed["notification"] == sale["notification"]
    assert (await api.get(f"/v1/sites/{site}/templates"))["items"] == [changed]
    await api.delete(path)
    await api.get(path, 404)


async def test_a_name_is_taken_once_in_a_site(api: Api, site: str, sale: dict[str, Any]) -> None:
    await api.post(f"/v1/sites/{site}/templates", SALE, 409)
    other = await api.post(f"/v1/sites/{site}/templates", {**SALE, "name": "Other"})
    await api.patch(f"/v1/sites/{site}/templates/{other['id']}", {"name": "Sale"}, 409)
    await api.patch(f"/v1/sites/{site}/templates/{sale['id']}", {"name": "Sale"})
    await api.post(f"/v1/sites/{await api.new_site()}/templates", SALE)


async def test_templates_are_listed_page_by_page(api: Api, site: str) -> None:
    for number in range(5):
        await api.post(f"/v1/sites/{site}/templates", {**SALE, "name": f"Sale {number}"})
    first = await api.get(f"/v1/sites/{site}/templates?limit=3")
    rest = await api.get(f"/v1/sites/{site}/templates?limit=3&cursor={first['next']}")
    names = [each["name"] for each in [*first["items"], *rest["items"]]]
    assert names == [f"Sale {number}" for number in range(5)]
    assert rest["next"] is None


@pytest.mark.parametrize(
    ("wrong", "path", "says"),
    [
        ({"actions": [{"action": "a", "title": "{{ oops"}]}, "actions[0].title", "expected '}}'"),
        ({"body": "{{ atributes.name }}"}, "body", "no `atributes`, only attributes"),
        ({"body": "{{ variables.x | shout }}"}, "body", "no filter `shout`"),
        ({"data": {"a": ["x\n{% if variables.x == person.x %}{% endif %}"]}}, "data.a[0]", "Line 2"),
        ({"data": {"a": "x" * 20_000}}, "", "16384"),
    ],
)
async def test_what_no_message_could_say_is_no_template(
    api: Api, site: str, sale: dict[str, Any], wrong: dict[str, Any], path: str, says: str
) -> None:
    body = {**SALE, "name": "Other", "notification": {"title": "ok", **wrong}}
    expected = f"notification.{path}".rstrip(".")
    for problem in (
        await api.post(f"/v1/sites/{site}/templates", body, 400),
        await api.patch(
            f"/v1/sites/{site}/templates/{sale['id']}", {"notification": body["notification"]}, 400
        ),
    ):
        assert [each["path"] for each in problem["errors"]] == [expected]
        assert says in problem["errors"][0]["message"]
    problem = await api.post(f"/v1/sites/{site}/templates", {**body, "options": {"topic": "abcde"}}, 400)
    assert "options.topic" in [each["path"] for each in problem["errors"]]
    assert (await api.get(f"/v1/sites/{site}/templates"))["items"] == [sale]


async def test_a_message_is_made_of_a_template(api: Api, site: str, sale: dict[str, Any]) -> None:
    message = await send(api, site, template=sale["id"], variables={"what": "Shoes"})
    assert message["notification"]["title"] == 'Shoes for {{ attributes.name | default: "you" }}'
    assert (message["template"], message["options"]["ttl"]) == (sale["id"], 600)


async def test_a_message_keeps_its_copy(api: Api, site: str, sale: dict[str, Any]) -> None:
    message = await send(api, site, template=sale["id"], variables={"what": "Shoes"}, draft=True)
    await api.patch(f"/v1/sites/{site}/templates/{sale['id']}", {"notification": {"title": "Other"}})
    await api.delete(f"/v1/sites/{site}/templates/{sale['id']}")
    assert await api.get(f"/v1/sites/{site}/messages/{message['id']}") == message


async def test_a_message_may_have_options_of_its_own(api: Api, site: str, sale: dict[str, Any]) -> None:
    message = await send(
        api, site, template=sale["id"], variables={"what": "Shoes", "who": "all"}, options={"ttl": 5}
    )
    assert message["options"] == {"ttl": 5, "urgency": "normal", "topic": None}
    assert "all" in message["notification"]["title"]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"variables": {"who": "you"}}, "template.notification.title"),
        ({"variables": {"what": "{{ data.x }}"}}, "template.notification.title"),
        ({"variables": {"what": "x" * 300}}, "template.notification"),
        ({"variables": {"what": "x", "list": [1] * 40_000}}, "variables"),
        ({"variables": {"what": "x"}, "notification": {"title": "x"}}, "template"),
        ({"template": "tpl_0000000000000"}, "template"),
        ({"template": "msg_0000000000000"}, "template"),
        ({"template": None, "variables": {"what": "x"}, "notification": {"title": "x"}}, "variables"),
        ({"template": None}, "notification"),
    ],
)
async def test_what_cannot_be_filled_in_is_refused(
    api: Api, site: str, sale: dict[str, Any], body: dict[str, Any], path: str
) -> None:
    problem = await send(api, site, 400, **{"template": sale["id"], **body})
    assert [each["path"] for each in problem["errors"]] == [path]
    assert (await api.get(f"/v1/sites/{site}/messages"))["items"] == []


async def test_another_sites_template_is_none(api: Api, site: str, sale: dict[str, Any]) -> None:
    await send(api, await api.new_site(), 400, template=sale["id"], variables={"what": "x"})


async def test_a_message_changes_to_a_template_and_away_from_it(
    api: Api, site: str, sale: dict[str, Any]
) -> None:
    path = f"/v1/sites/{site}/messages/{(await api.new_message(site, draft=True))['id']}"
    changed = await api.patch(path, {"template": sale["id"], "variables": {"what": "Hats"}})
    assert changed["notification"]["title"].startswith("Hats for")
    assert (changed["template"], changed["options"]["ttl"]) == (sale["id"], 600)
    assert (await api.patch(path, {"rate": 5}))["template"] == sale["id"]
    changed = await api.patch(path, {"notification": {"title": "By hand"}})
    assert (changed["template"], changed["options"]["ttl"]) == (None, 600)


async def test_other_variables_of_the_same_template_leave_options_alone(
    api: Api, site: str, sale: dict[str, Any]
) -> None:
    message = await send(
        api, site, template=sale["id"], variables={"what": "Hats"}, options={"ttl": 5}, draft=True
    )
    path = f"/v1/sites/{site}/messages/{message['id']}"
    changed = await api.patch(path, {"template": sale["id"], "variables": {"what": "Shoes"}})
    assert changed["notification"]["title"].startswith("Shoes")
    assert changed["options"] == message["options"]
    other = await api.post(f"/v1/sites/{site}/templates", {**SALE, "name": "Other", "options": {"ttl": 60}})
    changed = await api.patch(path, {"template": other["id"], "variables": {"what": "Shoes"}})
    assert changed["options"]["ttl"] == 60
    changed = await api.patch(
        path, {"template": sale["id"], "variables": {"what": "x"}, "options": {"ttl": 7}}
    )
    assert changed["options"]["ttl"] == 7


async def test_a_repeated_request_answers_although_the_template_has_gone(
    api: Api, site: str, sale: dict[str, Any]
) -> None:
    body = {"audience": EVERYBODY, "template": sale["id"], "variables": {"what": "Shoes"}}
    key = {"Idempotency-Key": "once"}
    first = await api.post(f"/v1/sites/{site}/messages", body, 202, headers=key)
    await api.delete(f"/v1/sites/{site}/templates/{sale['id']}")
    assert await api.post(f"/v1/sites/{site}/messages", body, 202, headers=key) == first


async def test_templates_are_in_the_audit_log(api: Api, site: str, sale: dict[str, Any]) -> None:
    path = f"/v1/sites/{site}/templates/{sale['id']}"
    await api.patch(path, {"name": "Other"})
    await api.delete(path)
    entries = (await api.get("/v1/audit"))["items"]
    found = [each["action"] for each in entries if each["target"] == sale["id"]]
    assert found == ["template.deleted", "template.changed", "template.created"]


async def test_who_may_only_read_saves_no_template(api: Api, site: str, sale: dict[str, Any]) -> None:
    reader = api.with_token(await api.new_token(site, "read"))
    await reader.get(f"/v1/sites/{site}/templates/{sale['id']}")
    await reader.post(f"/v1/sites/{site}/templates", {**SALE, "name": "x"}, 403)
