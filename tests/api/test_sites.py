import re

import pytest

from tests.api.conftest import CONTACT, NEW_SITE, Api


async def test_a_new_site_has_a_key_a_snippet_and_an_identity_key(api: Api) -> None:
    site = await api.post("/v1/sites", NEW_SITE)
    assert re.fullmatch(r"site_[0-9a-z]{13}", site["id"])
    assert re.fullmatch(r"B[A-Za-z0-9_-]{86}", site["application_server_key"])
    assert site["snippet"] == f'<script async src="https://push.example.net/sdk/{site["id"]}.js"></script>'
    assert len(site["identity_key"]) == 43
    assert site["identity"] == "signed"
    assert site["created_at"] == "2026-01-01T00:00:00Z"


async def test_two_sites_have_different_identity_keys(api: Api) -> None:
    first, second = [await api.post("/v1/sites", NEW_SITE) for _ in range(2)]
    assert first["identity_key"] != second["identity_key"]


async def test_the_identity_key_is_for_scope_manage_only(api: Api, site: str) -> None:
    reader = api.with_token(await api.new_token(site, "read"))
    assert "identity_key" not in await reader.get(f"/v1/sites/{site}")
    assert "identity_key" not in (await reader.get("/v1/sites"))["items"][0]
    manager = api.with_token(await api.new_token(site, "read", "manage"))
    assert "identity_key" in await manager.get(f"/v1/sites/{site}")


async def test_origins_are_stored_as_browsers_write_them(api: Api) -> None:
    given = [
        "HTTPS://Example.COM/",
        "https://example.com:443",
        "https://bücher.example",
        "http://localhost:8000",
    ]
    site = await api.post("/v1/sites", {**NEW_SITE, "origins": given})
    assert site["origins"] == [
        "https://example.com",
        "https://xn--bcher-kva.example",
        "http://localhost:8000",
    ]


@pytest.mark.parametrize(
    "origin",
    [
        "example.com",
        "http://example.com",
        "https://example.com/shop",
        "https://example.com?x=1",
        "https://user@example.com",
        "https://",
        "https://exa mple.com",
        "https://example.com:99999",
        "https://[::1",
        "https://-.example",
        "chrome-extension://abc",
        "*",
        "null",
        "\ud83d",
    ],
)
async def test_what_is_no_origin_of_a_page_is_refused_with_its_place(api: Api, origin: str) -> None:
    problem = await api.post("/v1/sites", {**NEW_SITE, "origins": ["https://example.com", origin]}, 400)
    assert problem["code"] == "invalid_request"
    if "\ud83d" not in origin:
        assert [each["path"] for each in problem["errors"]] == ["origins[1]"]


async def test_everything_that_is_wrong_with_a_site_is_said_at_once(api: Api) -> None:
    bad = {**NEW_SITE, "origins": ["nowhere"], "contact": "mailto:root@localhost"}
    problem = await api.post("/v1/sites", bad, 400)
    assert [each["path"] for each in problem["errors"]] == ["origins[0]", "contact"]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "a\u0000b"}, "name"),
        ({"name": "line\nbreak"}, "name"),
        ({"name": 7}, "name"),
        ({"origins": []}, "origins"),
        ({"origins": "https://example.com"}, "origins"),
        ({"origins": [f"https://{n}.example" for n in range(51)]}, "origins"),
        ({"contact": "ops@example.com"}, "contact"),
        ({"identity": "trusted"}, "identity"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_a_wrong_field_is_named(api: Api, change: dict[str, object], path: str) -> None:
    problem = await api.post("/v1/sites", {**NEW_SITE, **change}, 400)
    assert [each["path"] for each in problem["errors"]] == [path]
    assert problem["errors"][0]["message"].endswith(".")


async def test_a_missing_field_is_named(api: Api) -> None:
    problem = await api.post("/v1/sites", {"name": "Example", "contact": CONTACT}, 400)
    assert [each["path"] for each in problem["errors"]] == ["origins"]


async def test_a_change_touches_only_what_it_names(api: Api, site: str) -> None:
    before = await api.get(f"/v1/sites/{site}")
    after = await api.patch(f"/v1/sites/{site}", {"name": "Renamed", "identity": "unsigned"})
    assert after == {**before, "name": "Renamed", "identity": "unsigned"}
    assert await api.get(f"/v1/sites/{site}") == after


async def test_a_wrong_change_changes_nothing(api: Api, site: str) -> None:
    before = await api.get(f"/v1/sites/{site}")
    await api.patch(f"/v1/sites/{site}", {"name": "Renamed", "origins": ["http://example.com"]}, 400)
    await api.patch(f"/v1/sites/{site}", {"name": ""}, 400)
    await api.patch(f"/v1/sites/{site}", {"id": "site_0"}, 400)
    assert await api.get(f"/v1/sites/{site}") == before


async def test_a_deleted_site_is_gone_with_its_tokens(api: Api, site: str) -> None:
    token = await api.new_token(site, "read", "manage")
    await api.delete(f"/v1/sites/{site}")
    await api.get(f"/v1/sites/{site}", 404)
    await api.get(f"/v1/sites/{site}/keys", 404)
    await api.get(f"/v1/sites/{site}/messages", 404)
    await api.delete(f"/v1/sites/{site}", 404)
    await api.with_token(token).get(f"/v1/sites/{site}", 401)


async def test_sites_are_listed_page_by_page_without_gap_or_repetition(api: Api) -> None:
    made = [await api.new_site() for _ in range(5)]
    listed: list[str] = []
    path = "/v1/sites?limit=2"
    for _ in range(3):
        page = await api.get(path)
        listed += [each["id"] for each in page["items"]]
        path = f"/v1/sites?limit=2&cursor={page['next']}"
    assert listed == made
    assert page["next"] is None


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=501",
        "limit=many",
        "cursor=x",
        "cursor=AAAA",
        "cursor=%00",
        "page=2",
        "limit=1&limit=2",
    ],
)
async def test_a_wrong_page_is_refused(api: Api, query: str) -> None:
    problem = await api.get(f"/v1/sites?{query}", 400)
    assert problem["code"] == "invalid_request"


@pytest.mark.parametrize(
    "id", ["site_x", "site_0000000000000", "sub_0000000000000", "site_zzzzzzzzzzzzz", "%00", "é"]
)
async def test_an_id_that_names_nothing_is_not_found(api: Api, id: str) -> None:
    assert (await api.get(f"/v1/sites/{id}", 404))["code"] == "not_found"


NIGHT = {"from": "21:00", "to": "07:00", "zone": "visitor"}


async def test_a_site_starts_with_the_settings_that_change_nothing(api: Api, site: str) -> None:
    settings = (await api.get(f"/v1/sites/{site}"))["settings"]
    assert (settings["timezone"], settings["quiet_hours"]) == ("UTC", None)


async def test_settings_are_changed_one_by_one_and_null_is_the_default(api: Api, site: str) -> None:
    path = f"/v1/sites/{site}"
    await api.patch(path, {"settings": {"timezone": "Asia/Kolkata"}})
    await api.patch(path, {"settings": {"quiet_hours": {"from": "21:00", "to": "07:00"}}})
    settings = (await api.patch(path, {"name": "Other"}))["settings"]
    assert (settings["timezone"], settings["quiet_hours"]) == ("Asia/Kolkata", NIGHT)
    settings = (await api.patch(path, {"settings": {"timezone": None, "quiet_hours": None}}))["settings"]
    assert (settings["timezone"], settings["quiet_hours"]) == ("UTC", None)


async def test_a_change_of_settings_is_in_the_audit_log(api: Api, site: str) -> None:
    await api.patch(f"/v1/sites/{site}", {"settings": {"quiet_hours": NIGHT}})
    [entry, *_] = (await api.get("/v1/audit"))["items"]
    assert entry["action"] == "site.changed"
    assert entry["detail"] == {"settings": {"quiet_hours": NIGHT}}


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"timezone": "Europe/Atlantis"}, "settings.timezone"),
        ({"timezone": "CEST"}, "settings.timezone"),
        ({"quiet_hours": {"from": "21:00", "to": "21:00"}}, "settings.quiet_hours"),
        ({"quiet_hours": {"from": "24:00", "to": "07:00"}}, "settings.quiet_hours.from"),
        ({"quiet_hours": {"from": "21:00"}}, "settings.quiet_hours.to"),
        ({"quiet_hours": {"from": "21:00", "to": "07:00", "zone": "moon"}}, "settings.quiet_hours.zone"),
        ({"silence": True}, "settings.silence"),
    ],
)
async def test_settings_that_make_no_sense_are_refused(
    api: Api, site: str, change: dict[str, object], path: str
) -> None:
    problem = await api.patch(f"/v1/sites/{site}", {"settings": change}, 400)
    assert [error["path"] for error in problem["errors"]] == [path]
    assert (await api.get(f"/v1/sites/{site}"))["settings"]["timezone"] == "UTC"
