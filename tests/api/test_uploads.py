"""Recipients that are streamed to a draft."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway import recipient_uploads
from gateway.audience import uploaded_list
from gateway.context import Context
from gateway.scheduler.housekeeper import RECIPIENTS_KEPT, UPLOADS_KEPT, Housekeeper
from storage import deliveries, recipients
from storage.deliveries import Outcome, Result
from storage.ids import Kind, decode_id
from storage.queries import make
from tests.api.conftest import Api
from tests.api.failing import end
from tests.api.page import Page
from tests.api.test_message_tests import people as people
from tests.api.test_message_tests import send_test, shown, stored
from tests.api.test_replays import addressed
from tests.eventually import eventually
from tests.fakes.clock import FakeClock

NDJSON = {"Content-Type": "application/x-ndjson"}
UPLOADED = {"uploaded": True}


def lines(*names: str) -> str:
    return "".join(f'{{"external_id":"{name}","data":{{"n":"{name}"}}}}\n' for name in names)


@pytest.fixture
async def draft(api: Api, site: str) -> str:
    return str((await api.new_message(site, draft=True, audience=UPLOADED))["id"])


async def put(api: Api, site: str, message: str, body: Any, status: int = 200) -> Any:
    path = f"/v1/sites/{site}/messages/{message}/recipients"
    response = await api.call("PUT", path, status, data=body, headers=NDJSON)
    return await response.json(content_type=None)


async def told(context: Context, site: str, message: str, *names: str) -> dict[str, Any]:
    list_id = uploaded_list((await stored(context, message)).audience_spec)
    assert list_id is not None
    site_id = decode_id(Kind.SITE, site)
    found = await context.database.read(lambda tx: recipients.data(tx, site_id, list_id, names))
    return {name: json.loads(data) for name, data in found.items()}


async def begun(context: Context, uploads: int) -> bool:
    count = make("count", "select count(*) from recipient_lists")
    row = await context.database.read(lambda tx: tx.fetch_one(count))
    return row is not None and row[0] == uploads


async def test_an_upload_makes_the_audience(
    api: Api, site: str, context: Context, draft: str, people: list[str]
) -> None:
    path = f"/v1/sites/{site}/messages/{draft}"
    assert (await api.get(path))["audience"] == {"uploaded": True, "names": 0}
    result = await put(api, site, draft, lines("visitor-0", "visitor-1", "nobody"))
    assert result == {"lines": 3, "recipients": 3, "refused": 0, "errors": []}
    released = await api.patch(path, {"draft": False, "audience": UPLOADED})
    assert (released["audience"], released["priority"]) == ({"uploaded": True, "names": 3}, "bulk")
    assert await addressed(context, draft) == people[:2]
    assert (await api.get(path))["unknown"] == 1


async def test_bad_lines_are_named_and_the_good_ones_count(
    api: Api, site: str, context: Context, draft: str
) -> None:
    body = "\n".join(
        [
            '{"external_id":"a"}',
            "no JSON",
            '{"external_id":""}',
            '{"external_id":"b","data":{"text":"%s"}}' % ("x" * 4_000),
            '{"external_id":"a","data":{"n":1}}',
            "",
            '{"external_id":"c","data":{"n":2},"more":1}',
            '{"external_id":"d","data":' + '{"a":' * 40 + "1" + "}" * 40 + "}",
            '{"external_id":"e","data":{"text":"%s"}}' % ("x" * 70_000),
            '{"external_id":"f","data":{"n":3}}',
        ]
    )
    result = await put(api, site, draft, body)
    assert (result["lines"], result["recipients"], result["refused"]) == (9, 2, 7)
    found = sorted((each["line"], each["path"]) for each in result["errors"])
    assert found == [
        (2, ""), (3, "external_id"), (4, "data"), (5, "external_id"), (7, "more"), (8, "data"), (9, ""),
    ]  # fmt: skip
    assert await told(context, site, draft, "a", "f") == {"a": {}, "f": {"n": 3}}


async def test_a_name_that_comes_again_much_later_is_refused(api: Api, site: str, draft: str) -> None:
    names = [f"v{number}" for number in range(2_500)]
    result = await put(api, site, draft, lines(*names, "v0", "v2499"))
    assert (result["lines"], result["recipients"], result["refused"]) == (2_502, 2_500, 2)
    assert [each["line"] for each in result["errors"]] == [2_501, 2_502]


async def test_a_second_upload_takes_the_place_of_the_first(
    api: Api, site: str, context: Context, draft: str
) -> None:
    await put(api, site, draft, lines("a", "b"))
    await put(api, site, draft, lines("c"))
    assert await told(context, site, draft, "a", "b", "c") == {"c": {"n": "c"}}
    shown = await api.get(f"/v1/sites/{site}/messages/{draft}")
    assert shown["audience"] == {"uploaded": True, "names": 1}


async def test_a_stream_that_is_refused_in_the_middle_changes_nothing(
    api: Api, site: str, context: Context, draft: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(api, site, draft, lines("a"))
    monkeypatch.setattr(recipient_uploads, "MOST_LINES", 2)
    await put(api, site, draft, lines("b", "c", "d"), 413)
    assert await told(context, site, draft, "a", "b") == {"a": {"n": "a"}}
    monkeypatch.setattr(recipient_uploads, "MOST_BYTES", 10)
    await put(api, site, draft, lines("b"), 413)
    assert await told(context, site, draft, "a", "b") == {"a": {"n": "a"}}


async def test_a_message_that_starts_meanwhile_keeps_what_it_had(
    api: Api, site: str, context: Context, draft: str
) -> None:
    await put(api, site, draft, lines("a"))

    async def slowly() -> AsyncIterator[bytes]:
        yield lines("b").encode()
        await api.patch(f"/v1/sites/{site}/messages/{draft}", {"draft": False})
        yield lines("c").encode()

    await put(api, site, draft, slowly(), 409)
    assert await told(context, site, draft, "a", "b", "c") == {"a": {"n": "a"}}


async def test_an_upload_that_takes_longer_than_it_is_kept_is_refused(
    api: Api, site: str, context: Context, clock: FakeClock, draft: str
) -> None:
    await put(api, site, draft, lines("a"))

    async def slowly() -> AsyncIterator[bytes]:
        yield lines("b").encode()
        await eventually(lambda: begun(context, 2))
        clock.advance(UPLOADS_KEPT / 1_000 + 1)
        await Housekeeper(context).step()
        yield lines("c").encode()

    await put(api, site, draft, slowly(), 409)
    assert await told(context, site, draft, "a", "b", "c") == {"a": {"n": "a"}}


async def test_without_recipients_there_is_nothing_to_send(api: Api, site: str, draft: str) -> None:
    path = f"/v1/sites/{site}/messages"
    problem = await api.post(path, {"notification": {"title": "x"}, "audience": UPLOADED}, 400)
    assert [each["path"] for each in problem["errors"]] == ["audience.uploaded"]
    await api.patch(f"{path}/{draft}", {"draft": False}, 400)
    await put(api, site, draft, "")
    await api.patch(f"{path}/{draft}", {"draft": False}, 400)
    await api.post(path, {"notification": {"title": "x"}, "audience": {"uploaded": False}}, 400)


async def test_only_a_draft_for_uploads_takes_them(api: Api, site: str, draft: str) -> None:
    other = (await api.new_message(site, draft=True))["id"]
    await put(api, site, other, lines("a"), 409)
    await put(api, site, draft, lines("a"))
    await api.patch(f"/v1/sites/{site}/messages/{draft}", {"draft": False})
    await put(api, site, draft, lines("b"), 409)
    await put(api, site, "msg_0000000000000", lines("a"), 404)


async def test_a_duplicate_shares_the_list_as_long_as_it_is_kept(
    api: Api, site: str, context: Context, clock: FakeClock, draft: str
) -> None:
    await put(api, site, draft, lines("a"))
    path = f"/v1/sites/{site}/messages"
    copy = (await api.post(f"{path}/{draft}/duplicate", status=200))["id"]
    await put(api, site, draft, lines("b"))
    assert await told(context, site, copy, "a", "b") == {"a": {"n": "a"}}
    for id in (draft, copy):
        await api.post(f"{path}/{id}/cancel", status=200)
    clock.advance(RECIPIENTS_KEPT / 1_000 + 1)
    await Housekeeper(context).step()
    late = await api.post(f"{path}/{copy}/duplicate", status=200)
    assert late["audience"] == {"uploaded": True, "names": 0}


async def test_a_tester_gets_what_was_uploaded_for_them(
    api: Api, site: str, context: Context, draft: str, people: list[str]
) -> None:
    await put(api, site, draft, lines("visitor-0", "x"))
    test = await send_test(api, site, draft, people)
    assert (await shown(context, test["id"], "visitor-0"))["data"] == {"n": "visitor-0"}
    assert "data" not in await shown(context, test["id"], "visitor-1")


async def test_who_was_not_reached_gets_what_is_theirs_by_a_replay(
    api: Api, site: str, context: Context, draft: str, people: list[str], clock: FakeClock
) -> None:
    await put(api, site, draft, lines("visitor-0", "visitor-1"))
    await api.patch(f"/v1/sites/{site}/messages/{draft}", {"draft": False})
    await addressed(context, draft)
    await failed(context, site, draft, people[0])
    await end(context, draft)
    replay = await api.post(f"/v1/sites/{site}/messages/{draft}/replay", status=202)
    assert await addressed(context, replay["id"]) == people[:1]
    assert await told(context, site, replay["id"], "visitor-0") == {"visitor-0": {"n": "visitor-0"}}
    await end(context, replay["id"])
    clock.advance(RECIPIENTS_KEPT / 1_000 + 1)
    await Housekeeper(context).step()
    await api.post(f"/v1/sites/{site}/messages/{draft}/replay", status=409)


async def failed(context: Context, site: str, message: str, person: str) -> None:
    result = Result(
        decode_id(Kind.SITE, site), decode_id(Kind.MESSAGE, message), decode_id(Kind.SUBSCRIPTION, person),
        "fcm", 1, 0, Outcome.REJECTED, "no", 400, context.clock.now(),
    )  # fmt: skip
    await context.database.write(lambda tx: deliveries.record(tx, [result]))


async def test_an_upload_that_is_yet_to_come_cannot_be_estimated(api: Api, site: str) -> None:
    path = f"/v1/sites/{site}/audience/estimate"
    problem = await api.post(path, {"audience": UPLOADED}, 400)
    assert [each["path"] for each in problem["errors"]] == ["audience.uploaded"]


async def test_what_was_uploaded_for_a_visitor_is_erased_with_all_of_them_at_once(
    api: Api, context: Context
) -> None:
    site = await api.new_site(identity="unsigned")
    draft = str((await api.new_message(site, draft=True, audience=UPLOADED))["id"])
    page, names = Page(api.with_token(None), site), [f"v{number}" for number in range(8)]
    await put(api, site, draft, lines(*names))
    for name in names:
        made = [(await page.subscribe(external_id=name))["id"] for _ in range(3)]
        await asyncio.gather(*(api.delete(f"/v1/sites/{site}/subscriptions/{id}") for id in made))
        assert await told(context, site, draft, name) == {}
