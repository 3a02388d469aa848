"""The dashboard's sessions: a cookie for a token, which browsers send whoever wrote the page."""

import dataclasses
from http.cookies import Morsel, SimpleCookie
from typing import Any

import pytest
from aiohttp import ClientResponse

from gateway.context import Context
from gateway.sessions import LASTS, csrf_token, issue_session, read_session
from tests.api.conftest import ADMIN_TOKEN, NEW_SITE, Api
from tests.fakes.clock import FakeClock

HOURS = LASTS // 3_600_000


class Browser:
    """Sends the cookie that it was given, and what browsers say of the page that asks."""

    def __init__(self, api: Api) -> None:
        self._api = api.with_token(None)
        self.cookie = ""
        self.csrf = ""

    async def sign_in(self, token: str, status: int = 204, **headers: str) -> ClientResponse:
        answer = await self._api.call(
            "POST", "/admin/session", status, json={"token": token}, headers=headers
        )
        if status == 204:
            self.cookie = cookie_of(answer).value
            self.csrf = (await self.get("/admin/session"))["csrf"]
        return answer

    async def get(self, path: str, status: int = 200, **headers: str) -> Any:
        answer = await self._api.call("GET", path, status, headers=self._headers(headers))
        return await answer.json(content_type=None)

    async def call(self, method: str, path: str, status: int, body: Any = None, **headers: str) -> Any:
        more = {} if body is None else {"json": body}
        answer = await self._api.call(method, path, status, headers=self._headers(headers), **more)
        return await answer.json(content_type=None) if status != 204 else answer

    def _headers(self, headers: dict[str, str]) -> dict[str, str]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return {"Cookie": f"gateway_session={self.cookie}", **named}


def cookie_of(answer: ClientResponse) -> "Morsel[str]":
    return SimpleCookie(answer.headers["Set-Cookie"])["gateway_session"]


@pytest.fixture
def nobody(api: Api) -> Browser:
    return Browser(api)


@pytest.fixture
async def admin(nobody: Browser) -> Browser:
    await nobody.sign_in(ADMIN_TOKEN)
    return nobody


async def test_whoever_signs_in_with_a_token_may_do_what_the_token_may(admin: Browser) -> None:
    site = await admin.call("POST", "/v1/sites", 201, NEW_SITE, X_CSRF_Token=admin.csrf)
    assert (await admin.get(f"/v1/sites/{site['id']}"))["name"] == NEW_SITE["name"]


async def test_the_cookie_is_out_of_reach_of_scripts_other_sites_and_plain_http(nobody: Browser) -> None:
    answer = await nobody.sign_in(ADMIN_TOKEN)
    cookie = cookie_of(answer)
    assert cookie["httponly"] is True
    assert cookie["secure"] is True  # GATEWAY_PUBLIC_URL of these tests is https
    assert (cookie["samesite"], cookie["path"], cookie["domain"]) == ("Strict", "/", "")
    assert int(cookie["max-age"]) == HOURS * 3600
    assert ADMIN_TOKEN not in answer.headers["Set-Cookie"]
    assert answer.headers["Cache-Control"] == "no-store"


async def test_a_gateway_on_plain_http_gets_its_cookie_back(serve: Any, context: Context) -> None:
    plain = dataclasses.replace(context.settings, public_url="http://127.0.0.1:8080")
    api = await serve(dataclasses.replace(context, settings=plain))
    assert cookie_of(await Browser(api).sign_in(ADMIN_TOKEN))["secure"] == ""


async def test_a_session_says_what_it_may_and_until_when(admin: Browser, api: Api, site: str) -> None:
    shown = await admin.get("/admin/session")
    assert shown["scopes"] == ["manage", "read", "send"]
    assert shown["site"] is None
    assert shown["expires_at"] == "2026-01-01T12:00:00Z"
    bound = Browser(api)
    await bound.sign_in(await api.new_token(site, "read", expires_at="2026-01-01T02:00:00Z"))
    shown = await bound.get("/admin/session")
    assert (shown["scopes"], shown["site"], shown["expires_at"]) == (["read"], site, "2026-01-01T02:00:00Z")


async def test_nobody_is_signed_in_without_a_cookie_of_ours(api: Api) -> None:
    await api.with_token(None).get("/admin/session", 401)
    for cookie in ("", "x", "AAAA", "é", "A" * 4000, "AWCUf2Vd8YW2Sd9xXFJ168BPFC-bpM5GIOZ-BEkQQjES3zIdSHo"):
        await api.with_token(None).get("/v1/sites", 401, headers={"Cookie": f"gateway_session={cookie}"})


@pytest.mark.parametrize("token", ["wpg_unknown", "x", ADMIN_TOKEN + "x"])
async def test_a_token_that_is_unknown_opens_no_session(nobody: Browser, token: str) -> None:
    answer = await nobody.sign_in(token, 401)
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("csrf", ["", "wrong", "é"])
async def test_a_change_needs_the_csrf_token_of_this_session(admin: Browser, csrf: str) -> None:
    problem = await admin.call("POST", "/v1/sites", 403, NEW_SITE, X_CSRF_Token=csrf)
    assert problem["code"] == "csrf"
    assert (await admin.get("/v1/sites"))["items"] == []


async def test_the_csrf_token_of_another_session_does_not_count(admin: Browser, api: Api) -> None:
    other = Browser(api)
    await other.sign_in(ADMIN_TOKEN)
    assert other.csrf != admin.csrf
    assert (await admin.call("POST", "/v1/sites", 403, NEW_SITE, X_CSRF_Token=other.csrf))["code"] == "csrf"


@pytest.mark.parametrize("page", ["same-site", "cross-site"])
async def test_a_page_of_another_origin_gets_nothing_with_the_cookie(admin: Browser, page: str) -> None:
    problem = await admin.get("/v1/sites", 403, Sec_Fetch_Site=page)
    assert problem["code"] == "csrf"
    await admin.call("POST", "/v1/sites", 403, NEW_SITE, X_CSRF_Token=admin.csrf, Sec_Fetch_Site=page)
    await admin.call("DELETE", "/admin/session", 403, X_CSRF_Token=admin.csrf, Sec_Fetch_Site=page)
    await admin.get("/v1/sites", Sec_Fetch_Site="same-origin")
    await admin.get("/v1/sites", Sec_Fetch_Site="none")  # typed into the address bar


async def test_a_page_of_another_origin_signs_nobody_in(nobody: Browser) -> None:
    """Else it could have an admin work, unknowingly, in a session of its author's."""
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
        answer = await nobody.sign_in(ADMIN_TOKEN, 403, **headers)
        assert "Set-Cookie" not in answer.headers


async def test_browsers_without_fetch_metadata_name_their_origin(admin: Browser) -> None:
    refused = await admin.call(
        "POST", "/v1/sites", 403, NEW_SITE, X_CSRF_Token=admin.csrf, Origin="https://evil.example"
    )
    assert refused["code"] == "csrf"
    own = {"Host": "push.example.net", "Origin": "https://push.example.net"}
    await admin.call("POST", "/v1/sites", 201, NEW_SITE, X_CSRF_Token=admin.csrf, **own)


async def test_a_bearer_token_goes_before_the_cookie_and_needs_no_csrf_token(
    admin: Browser, api: Api, site: str
) -> None:
    reader = await api.new_token(site, "read")
    for method, status in (("GET", 200), ("DELETE", 403)):
        headers = {"Authorization": f"Bearer {reader}", "Cookie": f"gateway_session={admin.cookie}"}
        answer = await api.call(method, f"/v1/sites/{site}", status, headers=headers)
        assert status == 200 or (await answer.json(content_type=None))["code"] == "forbidden"


async def test_a_session_ends_with_its_token(api: Api, site: str) -> None:
    made = await api.post(f"/v1/sites/{site}/tokens", {"name": "x", "scopes": ["read"]})
    browser = Browser(api)
    await browser.sign_in(made["token"])
    await browser.get(f"/v1/sites/{site}")
    await api.delete(f"/v1/sites/{site}/tokens/{made['id']}")
    await browser.get(f"/v1/sites/{site}", 401)
    await browser.get("/admin/session", 401)


async def test_a_session_ends_after_half_a_day(admin: Browser, clock: FakeClock) -> None:
    clock.advance(HOURS * 3600 - 1)
    await admin.get("/v1/sites")
    clock.advance(1)
    await admin.get("/v1/sites", 401)


async def test_signing_out_takes_the_cookie_away(admin: Browser) -> None:
    assert (await admin.call("DELETE", "/admin/session", 403))["code"] == "csrf"
    answer = await admin.call("DELETE", "/admin/session", 204, X_CSRF_Token=admin.csrf)
    assert (cookie_of(answer).value, cookie_of(answer)["max-age"]) == ("", "0")


async def test_who_tries_tokens_has_to_wait(nobody: Browser, clock: FakeClock) -> None:
    for _ in range(20):
        await nobody.sign_in("wpg_a guess", 401)
    answer = await nobody.sign_in(ADMIN_TOKEN, 429)
    assert int(answer.headers["Retry-After"]) == 5
    clock.advance(5)
    await nobody.sign_in(ADMIN_TOKEN)


def test_a_cookie_that_was_changed_anywhere_opens_nothing(context: Context) -> None:
    key, hashed = context.master_key, bytes(range(32))
    cookie = issue_session(key, hashed, 0)
    assert len(cookie) < 200
    session = read_session(key, cookie, LASTS - 1)
    assert session is not None
    assert (session.token_hash, session.expires_at) == (hashed, LASTS)
    assert read_session(key, cookie, LASTS) is None
    for i in range(len(cookie)):
        changed = cookie[:i] + ("A" if cookie[i] != "A" else "B") + cookie[i + 1 :]
        assert read_session(key, changed, 0) is None
        assert csrf_token(key, changed) != csrf_token(key, cookie)


async def test_the_dashboard_loads_nothing_from_elsewhere_and_is_in_nobodys_frame(api: Api) -> None:
    nobody = api.with_token(None)
    for path in ("/admin/", "/admin/app.js", "/admin/ui/index.js", "/admin/vendor/preact-htm.js"):
        answer = await nobody.call("GET", path, 200)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["Cache-Control"] == "no-cache"
        await nobody.call("GET", path, 304, headers={"If-None-Match": answer.headers["ETag"]})
    page = await (await nobody.call("GET", "/admin/", 200)).text()
    assert "style=" not in page
    assert "<script>" not in page
    assert (await nobody.call("GET", "/admin", 308, allow_redirects=False)).headers["Location"] == "admin/"
    for path in ("/admin/nothing.js", "/admin/../settings.py", "/admin/%2e%2e/sdk.js", "/admin/ui"):
        await nobody.call("GET", path, 404)
