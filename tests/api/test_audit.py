from typing import Any

from gateway.context import Context
from storage import audit
from storage.database import Transaction
from tests.api.conftest import NEW_SITE, Api


async def test_every_change_is_in_the_audit_log_with_who_and_what(api: Api) -> None:
    site = await api.new_site()
    key = (await api.get(f"/v1/sites/{site}/keys"))["items"][0]["id"]
    token = await api.post(f"/v1/sites/{site}/tokens", {"name": "ci", "scopes": ["send", "manage"]})
    mine = api.with_token(token["token"])
    await mine.patch(f"/v1/sites/{site}", {"name": "Renamed"})
    second_key = (await mine.post(f"/v1/sites/{site}/keys"))["id"]
    await mine.delete(f"/v1/sites/{site}/keys/{key}")
    message = (await mine.new_message(site))["id"]
    await mine.patch(f"/v1/sites/{site}/messages/{message}", {"rate": 5})
    await mine.post(f"/v1/sites/{site}/messages/{message}/cancel", status=200)
    await api.delete(f"/v1/sites/{site}/tokens/{token['id']}")
    await api.delete(f"/v1/sites/{site}")

    entries = (await api.get("/v1/audit"))["items"]
    admin = entries[0]["actor"]
    assert admin.startswith("tok_")
    assert [(each["actor"], each["action"], each["target"]) for each in reversed(entries)] == [
        ("system", "token.created", admin),
        (admin, "site.created", site),
        (admin, "token.created", token["id"]),
        (token["id"], "site.changed", site),
        (token["id"], "key.created", second_key),
        (token["id"], "key.retired", key),
        (token["id"], "message.created", message),
        (token["id"], "message.changed", message),
        (token["id"], "message.cancelled", message),
        (admin, "token.revoked", token["id"]),
        (admin, "site.deleted", site),
    ]
    assert entries[7]["detail"] == {"name": "Renamed"}
    assert {each["site"] for each in entries[:-1]} == {site}


async def test_a_failed_change_leaves_no_entry(api: Api, site: str) -> None:
    before = await api.get("/v1/audit")
    key = (await api.get(f"/v1/sites/{site}/keys"))["items"][0]["id"]
    await api.delete(f"/v1/sites/{site}/keys/{key}", 409)
    await api.patch(f"/v1/sites/{site}", {"contact": "nobody"}, 400)
    await api.post("/v1/sites", {**NEW_SITE, "origins": ["x"]}, 400)
    await api.post(f"/v1/sites/{site}/messages", {"audience": {"all": True}}, 400)
    assert await api.get("/v1/audit") == before


async def test_a_token_of_one_site_reads_the_changes_of_that_site(api: Api, site: str) -> None:
    await api.new_site()
    manager = api.with_token(await api.new_token(site, "manage"))
    assert {each["site"] for each in (await manager.get("/v1/audit"))["items"]} == {site}
    await api.with_token(await api.new_token(site, "read")).get("/v1/audit", 403)


async def test_the_log_is_paged_newest_first(api: Api) -> None:
    for _ in range(4):
        await api.new_site()
    whole = (await api.get("/v1/audit"))["items"]
    paged: list[Any] = []
    path = "/v1/audit?limit=2"
    for _ in range(3):
        page = await api.get(path)
        paged += page["items"]
        path = f"/v1/audit?limit=2&cursor={page['next']}"
    assert paged == whole


async def test_no_secret_gets_into_the_log(api: Api, site: str, context: Context) -> None:
    token = await api.new_token(site, "read")

    async def body(tx: Transaction) -> str:
        return repr(await audit.page(tx))

    written = await context.database.read(body)
    assert token not in written
    assert str(api.token) not in written
    assert (await api.get(f"/v1/sites/{site}"))["identity_key"] not in written


async def test_the_log_is_asked_for_one_site_action_or_actor(api: Api, site: str) -> None:
    other = await api.new_site()
    token = await api.post(f"/v1/sites/{site}/tokens", {"name": "ci", "scopes": ["send", "manage"]})
    mine = api.with_token(token["token"])
    message = (await mine.new_message(site))["id"]
    await mine.post(f"/v1/sites/{site}/messages/{message}/cancel", status=200)
    await api.new_message(other)

    async def found(query: str, by: Api = api) -> list[tuple[str, str]]:
        items = (await by.get(f"/v1/audit?{query}"))["items"]
        return [(each["action"], each["target"]) for each in reversed(items)]

    cancelled = ("message.cancelled", message)
    assert await found(f"site={other}&action=site") == [("site.created", other)]
    assert await found("action=message.cancelled") == [cancelled]
    assert await found(f"actor={token['id']}") == [("message.created", message), cancelled]
    assert await found(f"site={site}&actor={token['id']}&action=message") == [
        ("message.created", message),
        cancelled,
    ]
    assert len(await found("action=message")) == 3
    assert await found("action=mess") == await found("actor=nobody") == []
    assert await found("actor=system") != []
    assert await found("action=message", mine) == await found(f"site={site}&action=message", mine)
    await mine.get(f"/v1/audit?site={other}", 404)
    problem = await api.get("/v1/audit?site=msg_1", 400)
    assert problem["errors"][0]["path"] == "site"


async def test_what_was_asked_for_is_paged_like_the_whole(api: Api, site: str) -> None:
    for _ in range(3):
        await api.new_message(site)
        await api.new_site()
    first = await api.get("/v1/audit?action=message.created&limit=2")
    rest = await api.get(f"/v1/audit?action=message.created&limit=2&cursor={first['next']}")
    assert [len(first["items"]), len(rest["items"]), rest["next"]] == [2, 1, None]
