"""The list of messages, searched by state and title."""

import pytest

from gateway import message_search
from tests.api.conftest import Api


async def titles(api: Api, site: str, query: str) -> list[str]:
    found = await api.get(f"/v1/sites/{site}/messages?{query}")
    return [each["notification"]["title"] for each in found["items"]]


async def test_messages_are_found_by_a_part_of_their_title_whatever_its_case(api: Api, site: str) -> None:
    for title in ("Summer SALE", "Grüße", "The sale ends"):
        await api.new_message(site, notification={"title": title})
    assert await titles(api, site, "title=sale") == ["The sale ends", "Summer SALE"]
    assert await titles(api, site, "title=GR%C3%9CSSE") == ["Grüße"]
    assert await titles(api, site, "title=nothing") == []


async def test_messages_are_found_by_state_and_both_together(api: Api, site: str) -> None:
    await api.new_message(site, notification={"title": "Draft of a sale"}, draft=True)
    await api.new_message(site, notification={"title": "Other draft"}, draft=True)
    await api.new_message(site, notification={"title": "A sale"}, send_at="2026-06-01T00:00:00Z")
    assert await titles(api, site, "state=draft") == ["Other draft", "Draft of a sale"]
    assert await titles(api, site, "state=draft&title=sale") == ["Draft of a sale"]
    assert await titles(api, site, "state=sent") == []
    assert (await api.get(f"/v1/sites/{site}/messages?state=gone", 400))["code"] == "invalid_request"


async def test_a_search_goes_on_where_its_stretch_of_the_list_ended(
    api: Api, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message_search, "LOOKED_AT", 2)
    await api.new_message(site, notification={"title": "Sale"})
    for _ in range(3):
        await api.new_message(site, notification={"title": "Other"})
    found: list[str] = []
    cursor, asked = "", 0
    while asked == 0 or cursor:
        page = await api.get(f"/v1/sites/{site}/messages?title=sale{cursor and '&cursor=' + cursor}")
        found += [each["notification"]["title"] for each in page["items"]]
        cursor, asked = page["next"], asked + 1
    assert found == ["Sale"]
    assert asked == 3


async def test_a_full_page_of_a_search_names_the_next(api: Api, site: str) -> None:
    made = [(await api.new_message(site))["id"] for _ in range(3)]
    first = await api.get(f"/v1/sites/{site}/messages?title=sale&limit=2")
    rest = await api.get(f"/v1/sites/{site}/messages?title=sale&limit=2&cursor={first['next']}")
    assert [each["id"] for each in first["items"] + rest["items"]] == made[::-1]
    assert rest["next"] is None
