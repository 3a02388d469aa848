"""What a request says of the visitor: browser, platform and, where a proxy knows it, the country."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated

from aiohttp import hdrs
from aiohttp.web import BaseRequest
from msgspec import Meta

from gateway.limits import comes_through

Country = Annotated[
    str, Meta(pattern="^[A-Z]{2}(?!\\n)$", description="Two letters of ISO 3166-1, `DE` say.")
]


class Browser(StrEnum):
    CHROME = "chrome"  # and whatever does not say that it is something else
    EDGE = "edge"
    FIREFOX = "firefox"
    SAFARI = "safari"
    OPERA = "opera"
    SAMSUNG = "samsung"
    OTHER = "other"


class Platform(StrEnum):
    WINDOWS = "windows"
    MACOS = "macos"  # and an iPad that asks for desktop pages: it says that it is a Mac
    ANDROID = "android"
    IOS = "ios"
    LINUX = "linux"
    CHROMEOS = "chromeos"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Visitor:
    """None: nothing was said."""

    browser: Browser | None = None
    platform: Platform | None = None
    country: str | None = None


# The first that is in the User-Agent counts: each browser also claims to be those further down.
_BROWSERS = (
    ("Edg", Browser.EDGE),  # Edg/, EdgA/, EdgiOS/
    ("OPR/", Browser.OPERA),
    ("OPT/", Browser.OPERA),  # on iOS
    ("SamsungBrowser/", Browser.SAMSUNG),
    ("YaBrowser/", Browser.OTHER),
    ("Firefox/", Browser.FIREFOX),
    ("FxiOS/", Browser.FIREFOX),
    ("Chrome/", Browser.CHROME),
    ("CriOS/", Browser.CHROME),
    ("Safari/", Browser.SAFARI),
)
_PLATFORMS = (
    ("Windows", Platform.WINDOWS),
    ("Android", Platform.ANDROID),
    ("iPhone", Platform.IOS),
    ("iPad", Platform.IOS),
    ("CrOS", Platform.CHROMEOS),
    ("Macintosh", Platform.MACOS),
    ("Linux", Platform.LINUX),
    ("X11", Platform.LINUX),  # the BSDs, too
)
_NOWHERE = "XX"  # what proxies say when they do not know


def visitor_of(
    request: BaseRequest, country_header: str | None, trusted: Sequence[IPv4Network | IPv6Network]
) -> Visitor:
    """`country_header` is believed from trusted proxies only: anybody else may write what they like."""
    agent = request.headers.get(hdrs.USER_AGENT)
    country = None
    if country_header is not None and comes_through(request, trusted):
        country = _country(request.headers.getall(country_header, ()))
    if not agent:
        return Visitor(country=country)
    return Visitor(browser_of(agent), platform_of(agent), country)


def browser_of(agent: str) -> Browser:
    return next((browser for mark, browser in _BROWSERS if mark in agent), Browser.OTHER)


def platform_of(agent: str) -> Platform:
    return next((platform for mark, platform in _PLATFORMS if mark in agent), Platform.OTHER)


def _country(said: Sequence[str]) -> str | None:
    """None unless it is said once, and is one: a proxy that adds its own to a stranger's says nothing."""
    code = said[0].strip().upper() if len(said) == 1 else ""
    return code if len(code) == 2 and code.isascii() and code.isalpha() and code != _NOWHERE else None
