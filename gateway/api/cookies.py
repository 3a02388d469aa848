"""The session's cookie as it travels (RFC 6265)."""

from aiohttp import web

from gateway.context import Context
from gateway.sessions import LASTS

NAME = "gateway_session"


def request_cookie(request: web.Request) -> str:
    """Its value, "" when there is none."""
    return request.cookies.get(NAME, "")


def session_cookie(context: Context, value: str) -> str:
    """Out of scripts' reach, never sent with what another site starts, over https only where it is spoken."""
    return _cookie(context, value, LASTS // 1000)


def ended_cookie(context: Context) -> str:
    return _cookie(context, "", 0)


def _cookie(context: Context, value: str, max_age: int) -> str:
    secure = "; Secure" if context.settings.public_url.startswith("https:") else ""
    return f"{NAME}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Strict{secure}"
