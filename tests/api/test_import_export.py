"""Subscriptions by the thousand: a stream of lines in, a stream of lines out."""

import json
import secrets
from collections.abc import AsyncIterator, Iterable
from io import BytesIO
from typing import Any

import pytest

from gateway.subscription_lines import MAX_LINE
from tests.api.conftest import Api
from tests.api.page import Page, push_subscription
from tests.fakes.user_agent import UserAgent, encode

NDJSON = {"Content-Type": "application/x-ndjson"}
AGENT = UserAgent()


@pytest.fixture
def path(site: str) -> str:
    return f"/v1/sites/{site}/subscriptions"


def line(**more: Any) -> dict[str, Any]:
    """Cheap to make: one key pair, an auth of its own."""
    return (
        push_subscription(AGENT)
        | {"keys": {"p256dh": AGENT.p256dh, "auth": encode(secrets.token_bytes(16))}}
        | more
    )


def text_of(lines: Iterable[Any]) -> bytes:
    return b"".join(
        (each if isinstance(each, bytes) else json.dumps(each).encode()) + b"\n" for each in lines
    )


async def imported(api: Api, path: str, body: Any, status: int = 200) -> dict[str, Any]:
    response = await api.call("POST", f"{path}/import", status, data=body, headers=NDJSON)
    result: dict[str, Any] = await response.json(content_type=None)
    return result


async def exported(api: Api, path: str) -> list[dict[str, Any]]:
    response = await api.call("GET", f"{path}/export", 200)
    assert response.content_type == "application/x-ndjson"
    return [json.loads(each) for each in (await response.read()).splitlines()]


async def test_ten_thousand_lines_come_in_and_the_bad_ones_are_named(api: Api, path: str) -> None:
    lines: list[Any] = [line(tags=["imported"]) for _ in range(10_000)]
    off_curve = encode(b"\x04" + b"\x01" * 64)
    bad: dict[int, Any] = {
        1: b"not json",
        17: {**line(), "endpoint": "https://evil.example/x"},
        999: {**line(), "keys": {"p256dh": off_curve, "auth": AGENT.auth}},
        1_000: {**line(), "keys": {"p256dh": AGENT.p256dh, "auth": "c2hvcnQ"}},
        1_001: line(tags=["x"] * 51),
        2_000: line(colour="red"),
        3_000: line(key_id="key_0000000000000"),
        4_000: line(application_server_key=UserAgent().p256dh),
        5_000: line(timezone="Mars/Olympus"),
        6_000: b"x" * (MAX_LINE + 1),
        7_000: b"\xff\xfe",
        8_000: b"[" * 50_000,
        9_999: b"[]",
        10_000: {**line(), "endpoint": lines[0]["endpoint"]},
    }
    lines[0] = line()
    bad[10_000]["endpoint"] = lines[1]["endpoint"]
    for number, each in bad.items():
        lines[number - 1] = each
    result = await imported(api, path, BytesIO(text_of(lines)))
    assert {each["line"] for each in result["errors"]} == set(bad)
    paths = {each["line"]: each["path"] for each in result["errors"]}
    assert paths[17] == "endpoint"
    assert (paths[999], paths[1_000]) == ("keys.p256dh", "keys.auth")
    assert (paths[2_000], paths[3_000]) == ("colour", "key_id")
    assert paths[4_000] == "application_server_key"
    assert paths[10_000] == "endpoint"
    counts = {name: result[name] for name in ("lines", "added", "known", "refused")}
    assert counts == {"lines": 10_000, "added": 10_000 - len(bad), "known": 0, "refused": len(bad)}


async def test_an_import_can_be_repeated(api: Api, path: str) -> None:
    lines = [line(tags=["a"]) for _ in range(10)]
    assert (await imported(api, path, text_of(lines)))["added"] == 10
    again = await imported(api, path, text_of([each | {"tags": ["b"]} for each in lines] + lines[:2]))
    assert (again["added"], again["known"], again["refused"]) == (0, 12, 0)
    found = (await api.get(path))["items"]
    assert len(found) == 10
    assert all(each["tags"] == ["a", "b"] for each in found)


async def test_an_import_does_not_take_over_what_is_known_with_other_keys(
    api: Api, site: str, path: str
) -> None:
    mine = push_subscription()
    await Page(api.with_token(None), site).subscribe(mine)
    stolen = line(endpoint=mine["endpoint"])
    result = await imported(api, path, text_of([line(), stolen]))
    assert (result["added"], result["refused"]) == (1, 1)
    assert result["errors"] == [
        {"line": 2, "path": "endpoint", "message": "The endpoint is known with other keys."}
    ]


async def test_an_import_never_gives_a_browser_more_than_it_could_refresh(
    api: Api, site: str, path: str
) -> None:
    mine, page = push_subscription(), Page(api.with_token(None), site)
    await page.subscribe(mine)
    first, second = ([f"{letter}{n}" for n in range(30)] for letter in "ab")
    result = await imported(api, path, text_of([mine | {"tags": first}, mine | {"tags": second}]))
    assert (result["added"], result["known"], result["refused"]) == (0, 1, 1)
    assert [each["line"] for each in result["errors"]] == [2]
    assert (await api.get(path))["items"][0]["tags"] == first
    attributes = {f"a{n}": n for n in range(30)}, {f"b{n}": n for n in range(30)}
    for each, known in zip(attributes, (1, 0), strict=True):
        assert (await imported(api, path, text_of([mine | {"attributes": each}])))["known"] == known
    await page.subscribe(mine, 200)


async def test_line_ends_of_other_systems_and_empty_lines_do_no_harm(api: Api, path: str) -> None:
    first, second = (json.dumps(line()).encode() for _ in range(2))
    result = await imported(api, path, b"\r\n" + first + b"\r\n\r\n  \r\n" + second)
    assert (result["lines"], result["added"]) == (2, 2)
    result = await imported(api, path, b"\n\nnonsense")
    assert [each["line"] for each in result["errors"]] == [3]
    assert (await imported(api, path, b""))["lines"] == 0


async def test_an_import_in_small_chunks_is_the_same(api: Api, path: str) -> None:
    body = text_of([line() for _ in range(20)])

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 97):
            yield body[start : start + 97]

    assert (await imported(api, path, chunks()))["added"] == 20


async def test_only_the_first_hundred_errors_are_spelled_out(api: Api, path: str) -> None:
    result = await imported(api, path, b"nonsense\n" * 250)
    assert (result["refused"], len(result["errors"])) == (250, 100)


async def test_an_imported_cohort_is_bound_to_its_own_key(api: Api, site: str, path: str) -> None:
    keys = f"/v1/sites/{site}/keys"
    (old,) = (await api.get(keys))["items"]
    new = await api.post(keys, {})
    await imported(
        api,
        path,
        text_of(
            [
                line(key_id=old["id"]),
                line(application_server_key=old["application_server_key"]),
                line(application_server_key=old["application_server_key"], key_id="key_0000000000000"),
                line(),
            ]
        ),
    )
    found = (await api.get(path))["items"]
    assert [each["key_id"] for each in found] == [old["id"]] * 3 + [new["id"]]


async def test_an_export_comes_back_in_as_it_was(api: Api, site: str, path: str) -> None:
    lines = [
        line(
            tags=["a", f"t{n}"],
            attributes={"n": n, "plan": "gold", "member": True, "rate": 0.5},
            external_id=f"visitor-{n}",
            language="de",
            timezone="Europe/Berlin",
            expirationTime=1_800_000_000_000,
        )
        for n in range(1_200)
    ]
    await imported(api, path, text_of([*lines, line()]))
    out = await exported(api, path)
    assert len(out) == 1_201
    given = {each["endpoint"]: each for each in lines}
    for each in out[:-1]:
        before = given[each["endpoint"]]
        assert {name: each[name] for name in before} == before
    (key,) = (await api.get(f"/v1/sites/{site}/keys"))["items"]
    assert {each["key_id"] for each in out} == {key["id"]}

    await api.delete(path + "/" + (await api.get(f"{path}?limit=1"))["items"][0]["id"])
    again = await imported(api, path, text_of(out))
    assert (again["added"], again["known"], again["refused"]) == (1, 1_200, 0)
    assert sorted(map(json.dumps, await exported(api, path))) == sorted(map(json.dumps, out))


async def test_an_export_holds_active_ones_only(api: Api, site: str, path: str) -> None:
    page = Page(api.with_token(None), site)
    stays, left = await page.subscribe(), await page.subscribe()
    await page.call("DELETE", f"{page.subscriptions}/{left['id']}", 204, token=left["token"])
    assert len(await exported(api, path)) == 1
    assert stays["id"] != left["id"]


async def test_imports_and_exports_are_audited(api: Api, site: str, path: str) -> None:
    await imported(api, path, text_of([line(), b"nonsense"]))
    await exported(api, path)
    entries = (await api.get("/v1/audit"))["items"][:3]
    assert [each["action"] for each in entries] == [
        "subscriptions.exported",
        "subscriptions.imported",
        "subscriptions.import_started",
    ]
    assert entries[1]["detail"] == {"lines": 2, "added": 1, "known": 0, "refused": 1}
    assert all(each["target"] == site for each in entries)


async def test_an_import_takes_its_content_type_and_an_existing_site(api: Api, path: str) -> None:
    await api.call("POST", f"{path}/import", 415, data=b"", headers={"Content-Type": "text/csv"})
    await imported(api, "/v1/sites/site_0000000000000/subscriptions", b"", 404)
    await api.get("/v1/sites/site_0000000000000/subscriptions/export", 404)


async def test_what_visitors_left_goes_along_with_them(api: Api, path: str) -> None:
    left = line(opted_out=["offers", "news"])
    await imported(api, path, text_of([left, line()]))
    out = await exported(api, path)
    assert [each.get("opted_out") for each in out] == [["offers", "news"], None]
    await imported(api, path, text_of([{**left, "opted_out": ["tips"]}, left]))
    assert (await exported(api, path))[0]["opted_out"] == ["offers", "news", "tips"]
    bad = await imported(api, path, text_of([line(opted_out=["Not a name"])]))
    assert bad["refused"] == 1
