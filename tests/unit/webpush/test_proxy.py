"""HTTPS_PROXY and NO_PROXY, read as curl reads them."""

import pytest

from gateway.webpush import ProxySettings

PROXY = "http://user:secret@proxy.example:3128"


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
def test_the_proxy_comes_from_the_environment(name: str) -> None:
    assert ProxySettings.from_environment({name: PROXY}).for_host("fcm.googleapis.com") == PROXY


def test_http_proxy_is_not_for_https() -> None:
    settings = ProxySettings.from_environment({"http_proxy": PROXY, "HTTP_PROXY": PROXY})
    assert settings.for_host("fcm.googleapis.com") == ""


@pytest.mark.parametrize(
    ("no_proxy", "host", "direct"),
    [
        ("", "fcm.googleapis.com", False),
        ("*", "fcm.googleapis.com", True),
        ("fcm.googleapis.com", "fcm.googleapis.com", True),
        ("a.example, .googleapis.com", "fcm.googleapis.com", True),
        ("GoogleAPIs.com", "fcm.googleapis.com", True),
        ("apis.com", "fcm.googleapis.com", False),
        ("localhost 127.0.0.0/8", "127.0.0.1", True),
        ("10.0.0.0/8", "127.0.0.1", False),
        ("::1", "::1", True),
        ("[::1]", "::1", True),
    ],
)
def test_no_proxy_names_who_is_reached_directly(no_proxy: str, host: str, direct: bool) -> None:
    settings = ProxySettings.from_environment({"HTTPS_PROXY": PROXY, "NO_PROXY": no_proxy})
    assert (settings.for_host(host) == "") is direct


def test_the_password_of_a_proxy_shows_in_no_repr() -> None:
    assert "secret" not in repr(ProxySettings.from_environment({"HTTPS_PROXY": PROXY}))
