from ipaddress import ip_network

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from gateway.visitor import Browser, Platform, Visitor, browser_of, platform_of, visitor_of

MOZILLA = "Mozilla/5.0"
WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
SAFARI = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
MAC = "(Macintosh; Intel Mac OS X 10_15_7)"
IPHONE = "(iPhone; CPU iPhone OS 18_0 like Mac OS X)"
AGENTS = [
    (f"{MOZILLA} (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/131.0.0.0 Safari/537.36", "chrome", "windows"),
    (f"{MOZILLA} (Linux; Android 10; K) {WEBKIT} Chrome/131.0.0.0 Mobile Safari/537.36", "chrome", "android"),
    (f"{MOZILLA} (X11; CrOS x86_64 14541.0.0) {WEBKIT} Chrome/131.0.0.0 Safari/537.36", "chrome", "chromeos"),
    (f"{MOZILLA} (X11; Linux x86_64) {WEBKIT} HeadlessChrome/131.0.0.0 Safari/537.36", "chrome", "linux"),
    (f"{MOZILLA} {IPHONE} {SAFARI} CriOS/131.0.0.0 Mobile/15E148 Safari/604.1", "chrome", "ios"),
    (
        f"{MOZILLA} (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
        "edge",
        "windows",
    ),
    (
        f"{MOZILLA} (Linux; Android 10; HD1913) {WEBKIT} Chrome/131.0 Mobile Safari/537.36 EdgA/131.0",
        "edge",
        "android",
    ),
    (f"{MOZILLA} {IPHONE} {SAFARI} Version/18.0 EdgiOS/131.0 Mobile/15E148 Safari/605.1.15", "edge", "ios"),
    (f"{MOZILLA} {MAC} {WEBKIT} Chrome/131.0.0.0 Safari/537.36 OPR/116.0.0.0", "opera", "macos"),
    (f"{MOZILLA} {IPHONE} {SAFARI} Version/18.0 Mobile/15E148 Safari/604.1 OPT/5.0", "opera", "ios"),
    (
        f"{MOZILLA} (Linux; Android 10; K) {WEBKIT} SamsungBrowser/27.0 Chrome/125.0 Mobile Safari/537.36",
        "samsung",
        "android",
    ),
    (f"{MOZILLA} (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0", "firefox", "windows"),
    (f"{MOZILLA} (X11; Ubuntu; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0", "firefox", "linux"),
    (f"{MOZILLA} (Android 15; Mobile; rv:133.0) Gecko/133.0 Firefox/133.0", "firefox", "android"),
    (f"{MOZILLA} {IPHONE} {SAFARI} FxiOS/133.0 Mobile/15E148 Safari/605.1.15", "firefox", "ios"),
    (f"{MOZILLA} {MAC} {SAFARI} Version/18.0 Safari/605.1.15", "safari", "macos"),
    (f"{MOZILLA} {IPHONE} {SAFARI} Version/18.0 Mobile/15E148 Safari/604.1", "safari", "ios"),
    (f"{MOZILLA} (iPad; CPU OS 18_0 like Mac OS X) {SAFARI} Version/18.0 Safari/604.1", "safari", "ios"),
    (
        f"{MOZILLA} (Windows NT 10.0) {WEBKIT} Chrome/130.0 YaBrowser/24.12 Yowser/2.5 Safari/537.36",
        "other",
        "windows",
    ),
    (f"{MOZILLA} (X11; FreeBSD amd64; rv:133.0) Gecko/20100101 Firefox/133.0", "firefox", "linux"),
    ("curl/8.10.1", "other", "other"),
]
TRUSTED = [ip_network("127.0.0.0/8")]


@pytest.mark.parametrize(("agent", "browser", "platform"), AGENTS)
def test_a_browser_and_its_platform_are_known_by_what_they_call_themselves(
    agent: str, browser: str, platform: str
) -> None:
    assert (browser_of(agent), platform_of(agent)) == (browser, platform)


def seen(*countries: str, remote: str = "127.0.0.1", header: str | None = "CF-IPCountry") -> str | None:
    headers = CIMultiDict([("CF-IPCountry", each) for each in countries])
    request = make_mocked_request("POST", "/", headers).clone(remote=remote)
    return visitor_of(request, header, TRUSTED).country


def test_a_trusted_proxy_says_the_country() -> None:
    assert seen("DE") == "DE"
    assert seen(" at ") == "AT"
    assert seen("DE", remote="192.0.2.1") is None  # anybody may write that
    assert seen("DE", header=None) is None
    assert seen("DE", header="X-Country") is None


@pytest.mark.parametrize(
    "said", [(), ("",), ("XX",), ("T1",), ("DEU",), ("D",), ("ÄÖ",), ("DE, FR",), ("DE", "FR")]
)
def test_what_is_no_country_or_more_than_one_is_none(said: tuple[str, ...]) -> None:
    assert seen(*said) is None


def test_a_request_that_does_not_say_what_it_comes_from_says_nothing() -> None:
    assert visitor_of(make_mocked_request("POST", "/"), None, ()) == Visitor(None, None, None)


def test_the_words_are_those_that_segments_and_exports_use() -> None:
    assert {*Browser} == {"chrome", "edge", "firefox", "safari", "opera", "samsung", "other"}
    assert {*Platform} == {"windows", "macos", "android", "ios", "linux", "chromeos", "other"}
