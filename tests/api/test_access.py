import dataclasses
import re
from collections.abc import Awaitable, Callable

import pytest

from gateway.access import create_token, ensure_admin_token
from gateway.api.route import PATH_KINDS
from gateway.api.server import ALL_ROUTES
from gateway.context import Context
from gateway.errors import CannotStart
from storage import tokens
from storage.database import Transaction
from storage.ids import Kind, encode_id
from storage.tokens import ApiToken, Scope
from tests.api.conftest import ADMIN_TOKEN, NEW_MESSAGE, NEW_SITE, Api
from tests.fakes.clock import FakeClock


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        "Bearer wpg_unknown",
        f"Token {ADMIN_TOKEN}",
        "Bearer " + "x" * 4000,
        "Bearer é",
    ],
)
async def test_without_a_known_token_nothing_is_answered(api: Api, authorization: str) -> None:
    response = await api.call("GET", "/v1/sites", 401, headers={"Authorization": authorization})
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert (await response.json(content_type=None))["code"] == "unauthenticated"


async def test_the_word_bearer_is_read_in_any_case(api: Api) -> None:
    await api.call("GET", "/v1/sites", 200, headers={"Authorization": f"bearer {ADMIN_TOKEN}"})


async def test_a_token_is_asked_for_before_anything_else(api: Api) -> None:
    nobody = api.with_token(None)
    await nobody.post("/v1/sites", {"nonsense": True}, 401)
    await nobody.get("/v1/sites/not-an-id", 401)
    await nobody.get("/v1/sites?limit=0", 401)


async def test_a_revoked_token_stops_working_at_once(api: Api, site: str) -> None:
    made = await api.post(f"/v1/sites/{site}/tokens", {"name": "x", "scopes": ["read"]})
    reader = api.with_token(made["token"])
    await reader.get(f"/v1/sites/{site}")
    await api.delete(f"/v1/sites/{site}/tokens/{made['id']}")
    problem = await reader.get(f"/v1/sites/{site}", 401)
    assert problem["detail"] == "The token has been revoked."
    await api.delete(f"/v1/sites/{site}/tokens/{made['id']}")


async def test_a_token_revoked_by_another_process_stops_within_two_seconds(
    api: Api, site: str, context: Context, clock: FakeClock
) -> None:
    made = await create_token(context, "cli", None, "x", [Scope.READ])
    reader = api.with_token(made.secret)
    await reader.get(f"/v1/sites/{site}")

    async def revoke(tx: Transaction) -> None:
        await tokens.revoke(tx, made.token.id, clock.now())

    await context.database.write(revoke)
    clock.advance(2)
    await reader.get(f"/v1/sites/{site}", 401)


async def test_a_token_expires(api: Api, site: str, clock: FakeClock) -> None:
    token = await api.new_token(site, "read", expires_at="2026-01-01T01:00:00Z")
    reader = api.with_token(token)
    await reader.get(f"/v1/sites/{site}")
    clock.advance(3600)
    problem = await reader.get(f"/v1/sites/{site}", 401)
    assert problem["detail"] == "The token has expired."


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"name": "x", "scopes": ["read"], "expires_at": "2025-12-31T23:59:59Z"}, "expires_at"),
        ({"name": "x", "scopes": ["read"], "expires_at": "2027-01-01T00:00:00"}, "expires_at"),
        ({"name": "x", "scopes": ["read"], "expires_at": "tomorrow"}, "expires_at"),
        ({"name": "x", "scopes": []}, "scopes"),
        ({"name": "x", "scopes": ["all"]}, "scopes[0]"),
        ({"scopes": ["read"]}, "name"),
        ({"name": "x", "scopes": ["read"], "token": "wpg_mine"}, "token"),
    ],
)
async def test_a_wrong_token_request_says_where(api: Api, site: str, body: object, path: str) -> None:
    problem = await api.post(f"/v1/sites/{site}/tokens", body, 400)
    assert [each["path"] for each in problem["errors"]] == [path]


async def test_a_token_may_do_what_its_scopes_say_and_no_more(api: Api, site: str) -> None:
    reader, sender, manager = [
        api.with_token(await api.new_token(site, scope)) for scope in ("read", "send", "manage")
    ]
    await reader.get(f"/v1/sites/{site}")
    await sender.post(f"/v1/sites/{site}/messages", NEW_MESSAGE, 202)
    await manager.patch(f"/v1/sites/{site}", {"name": "Mine"})
    for caller in (sender, manager):
        assert (await caller.get(f"/v1/sites/{site}", 403))["code"] == "forbidden"
    for caller in (reader, manager):
        await caller.post(f"/v1/sites/{site}/messages", NEW_MESSAGE, 403)
    for caller in (reader, sender):
        await caller.patch(f"/v1/sites/{site}", {"name": "Theirs"}, 403)
        await caller.get(f"/v1/sites/{site}/tokens", 403)


async def test_a_token_of_one_site_sees_no_other(api: Api, site: str) -> None:
    other = await api.new_site()
    mine = api.with_token(await api.new_token(site, "read", "send", "manage"))
    for path in (f"/v1/sites/{other}", f"/v1/sites/{other}/keys", f"/v1/sites/{other}/messages"):
        assert await mine.get(path, 404) | {"request_id": ""} == await mine.get(
            path.replace(other, "site_0000000000000"), 404
        ) | {"request_id": ""}
    assert [each["id"] for each in (await mine.get("/v1/sites"))["items"]] == [site]
    await mine.post("/v1/sites", NEW_SITE, 403)
    await mine.get("/metrics", 403)


async def test_no_route_of_a_site_answers_a_token_of_another_or_one_without_its_scope(
    api: Api, site: str
) -> None:
    def named(parameter: re.Match[str]) -> str:
        kind = PATH_KINDS.get(parameter[1])
        return "fcm" if kind is None else site if kind is Kind.SITE else encode_id(kind, 7)

    foreign = api.with_token(await api.new_token(await api.new_site(), *Scope))
    by_scope = {scope: api.with_token(await api.new_token(site, scope)) for scope in Scope}
    routes = [each for each in ALL_ROUTES if each.scope is not None and "{site}" in each.path]
    assert len(routes) > 50
    for each in routes:
        path = re.sub(r"\{(\w+)\}", named, each.path)
        await foreign.call(each.method, path, 404)
        for scope, narrow in by_scope.items():
            if scope is not each.scope:
                await narrow.call(each.method, path, 403)


async def test_another_sites_token_cannot_be_revoked(api: Api, site: str) -> None:
    other = await api.new_site()
    made = await api.post(f"/v1/sites/{other}/tokens", {"name": "x", "scopes": ["read"]})
    await api.delete(f"/v1/sites/{site}/tokens/{made['id']}", 404)
    await api.with_token(made["token"]).get(f"/v1/sites/{other}")


async def test_the_secret_is_shown_once_and_stored_as_a_hash(api: Api, site: str, context: Context) -> None:
    made = await api.post(
        f"/v1/sites/{site}/tokens", {"name": "a name to look for", "scopes": ["send", "read"]}
    )
    listed = await api.get(f"/v1/sites/{site}/tokens")
    assert listed["items"] == [{key: value for key, value in made.items() if key != "token"}]
    assert made["scopes"] == ["read", "send"]
    await context.database.close()
    stored = b"".join(file.read_bytes() for file in context.settings.data_dir.iterdir())
    assert b"a name to look for" in stored
    assert made["token"].encode() not in stored


def without_preset(context: Context) -> Context:
    return dataclasses.replace(context, settings=dataclasses.replace(context.settings, admin_token=None))


async def all_site_tokens(context: Context) -> list[ApiToken]:
    async def body(tx: Transaction) -> list[ApiToken]:
        return list(await tokens.of_site(tx, None))

    return await context.database.read(body)


async def test_the_first_start_makes_one_admin_token_and_shows_it_once(
    context: Context, serve: Callable[[Context], Awaitable[Api]]
) -> None:
    context = without_preset(context)
    secret = await ensure_admin_token(context)
    assert secret is not None
    assert await ensure_admin_token(context) is None
    assert [each.scopes for each in await all_site_tokens(context)] == [frozenset(Scope)]
    await (await serve(context)).with_token(secret).post("/v1/sites", NEW_SITE)


async def test_a_preset_admin_token_replaces_the_one_that_was_preset_before(
    context: Context, api: Api
) -> None:
    settings = dataclasses.replace(context.settings, admin_token="wpg_another-admin-token")
    await ensure_admin_token(dataclasses.replace(context, settings=settings))
    context.clock.advance(5)  # type: ignore[attr-defined]
    await api.get("/v1/sites", 401)
    await api.with_token("wpg_another-admin-token").get("/v1/sites")


async def test_a_preset_admin_token_that_was_revoked_stops_the_start(context: Context) -> None:
    await ensure_admin_token(context)
    (token,) = await all_site_tokens(context)

    async def revoke(tx: Transaction) -> None:
        await tokens.revoke(tx, token.id, context.clock.now())

    await context.database.write(revoke)
    with pytest.raises(CannotStart, match="revoked"):
        await ensure_admin_token(context)
