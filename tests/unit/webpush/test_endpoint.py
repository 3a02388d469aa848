"""Endpoints come from strangers: each way to smuggle in another host is refused with a sentence."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from gateway.webpush import InvalidEndpoint, InvalidPushHost, Provider, PushHosts, parse_endpoint
from gateway.webpush.endpoint import KNOWN_HOSTS, MAX_CACHED_ORIGINS

HOSTS = PushHosts()
LOCAL = PushHosts.parse("localhost:8443, 127.0.0.1:9443,[::1]:9443, push.example.org,fcm.googleapis.com:8443")


@pytest.mark.parametrize(
    ("url", "provider"),
    [
        ("https://fcm.googleapis.com/fcm/send/abc:APA91b", Provider.FCM),
        ("https://jmt17.google.com/fcm/send/abc", Provider.FCM),
        ("https://android.googleapis.com/gcm/send/abc", Provider.FCM),
        ("https://updates.push.services.mozilla.com/wpush/v2/gAAA", Provider.MOZILLA),
        ("https://web.push.apple.com/QGv", Provider.APPLE),
        ("https://wns2-par02p.notify.windows.com/w/?token=BQ%2b", Provider.WNS),
    ],
)
def test_the_known_push_services_are_recognised_by_their_host(url: str, provider: Provider) -> None:
    endpoint = parse_endpoint(url, HOSTS)
    assert endpoint.url == url
    assert endpoint.provider is provider
    assert not endpoint.origin.configured
    assert endpoint.origin.text == url[: url.index("/", 8)]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("http://fcm.googleapis.com/x", "begin with https://"),
        ("https:fcm.googleapis.com/x", "begin with https://"),
        ("//fcm.googleapis.com/x", "begin with https://"),
        ("", "begin with https://"),
        ("https://", "host is missing"),
        ("https:///fcm.googleapis.com/x", "host is missing"),
        ("https://:443/x", "host is missing"),
        ("https://evil.example/x", "not a known push service"),
        ("https://evil.example?.notify.windows.com/", "not a known push service"),
        ("https://evil.example/.notify.windows.com/", "not a known push service"),
        ("https://evil.example#.notify.windows.com/", "fragment"),
        ("https://fcm.googleapis.com.evil.example/x", "not a known push service"),
        ("https://evilfcm.googleapis.com/x", "not a known push service"),
        ("https://googleapis.com/x", "not a known push service"),
        ("https://localhost/x", "not a known push service"),
        ("https://user@fcm.googleapis.com/x", "user name"),
        ("https://fcm.googleapis.com@evil.example/x", "user name"),
        ("https://fcm.googleapis.com:pass@evil.example/x", "user name"),
        ("https://fcm.googleapis.com:444/x", "port is 444, only 443 is allowed"),
        ("https://fcm.googleapis.com:/x", "port is not a number"),
        ("https://fcm.googleapis.com:0/x", "port is not a number"),
        ("https://fcm.googleapis.com:65536/x", "port is not a number"),
        ("https://fcm.googleapis.com:4x3/x", "port is not a number"),
        ("https://127.0.0.1/x", "IP address"),
        ("https://127.0.0.1:8443/x", "IP address"),
        ("https://[::1]/x", "IP address"),
        ("https://[::ffff:127.0.0.1]/x", "IP address"),
        ("https://[fe80::1%25eth0]/x", "not an IPv6 address"),
        ("https://[::1]evil/x", "not an IPv6 address"),
        ("https://[fcm.googleapis.com]/x", "not an IPv6 address"),
        ("https://2130706433/x", "not a valid name"),
        ("https://0x7f000001/x", "not a valid name"),
        ("https://127.1/x", "not a valid name"),
        ("https://fcm.googleapis.com./x", "ends with a dot"),
        ("https://fcm..googleapis.com/x", "not a valid name"),
        ("https://fcm.googleapis.com%2eevil.example/x", "not a valid name"),
        ("https://-fcm.push.apple.com/x", "not a valid name"),
        (f"https://{'a' * 64}.push.apple.com/x", "not a valid name"),
        ("https://fcm.googleapis.com\\@evil.example/x", "backslash"),
        ("https://evil.example\\.push.apple.com/x", "backslash"),
        ("https://fcm.googleapis.com/a b", "white space"),
        (" https://fcm.googleapis.com/x", "white space"),
        ("https://fcm.googleapis.com/x\n", "white space"),
        ("https://fcm.goo\tgleapis.com/x", "white space"),
        ("https://fcm.googleapis.com/x\x00", "control characters"),
        ("https://fcm.googleapis.com/\u00e9", "outside ASCII"),
        ("https://\uff46cm.googleapis.com/x", "outside ASCII"),
        ("https://push.apple.com\u3002evil.example/x", "outside ASCII"),
        ("https://xn--cm-fka.googleapis.com/x", "not a known push service"),
        ("https://fcm.googleapis.com/" + "x" * 2048, "at most 2048"),
    ],
)
def test_an_endpoint_that_could_lead_elsewhere_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(InvalidEndpoint, match=sentence.replace("(", r"\(")):
        parse_endpoint(text, HOSTS)


def test_spelling_that_does_not_change_the_origin_is_made_one() -> None:
    expected = "https://fcm.googleapis.com/Fcm/Send"
    for text in ("HTTPS://FCM.GoogleAPIs.com/Fcm/Send", "https://fcm.googleapis.com:443/Fcm/Send"):
        assert parse_endpoint(text, HOSTS).url == expected


def test_the_longest_allowed_endpoint_passes() -> None:
    url = "https://fcm.googleapis.com/".ljust(2048, "x")
    assert parse_endpoint(url, HOSTS).url == url


@pytest.mark.parametrize(
    "url",
    [
        "https://localhost:8443/x",
        "https://127.0.0.1:9443/x",
        "https://[::1]:9443/x",
        "https://push.example.org/x",
        "https://eu.push.example.org/x",
    ],
)
def test_the_operator_may_list_other_hosts_ports_and_addresses(url: str) -> None:
    endpoint = parse_endpoint(url, LOCAL)
    assert endpoint.url == url
    assert endpoint.origin.configured
    assert endpoint.provider is Provider.OTHER


def test_a_known_host_on_a_listed_port_keeps_its_provider() -> None:
    listed = parse_endpoint("https://fcm.googleapis.com:8443/x", LOCAL).origin
    assert (listed.provider, listed.configured) == (Provider.FCM, True)
    plain = parse_endpoint("https://fcm.googleapis.com/x", LOCAL).origin
    assert (plain.provider, plain.configured) == (Provider.FCM, False)


@pytest.mark.parametrize(
    "url", ["https://localhost/x", "https://localhost:8444/x", "https://127.0.0.1:8443/x"]
)
def test_a_listed_host_is_listed_with_its_port_only(url: str) -> None:
    with pytest.raises(InvalidEndpoint):
        parse_endpoint(url, LOCAL)


@pytest.mark.parametrize(
    "entry", ["https://x.example", "x.example/path", "*.x.example", "x y", "x:port", "[::1", "1.2"]
)
def test_a_host_list_that_cannot_be_read_names_the_entry(entry: str) -> None:
    with pytest.raises(InvalidPushHost, match="push host"):
        PushHosts.parse(f"localhost:1,{entry}")


def test_an_empty_host_list_adds_nothing() -> None:
    assert PushHosts.parse(" , ") == HOSTS


def test_the_origin_of_a_stored_endpoint_is_looked_up_once() -> None:
    hosts = PushHosts()
    first = hosts.origin("https://web.push.apple.com/a")
    assert hosts.origin("https://web.push.apple.com/b") is first


def test_a_stored_endpoint_whose_host_is_no_longer_listed_is_refused() -> None:
    assert LOCAL.origin("https://localhost:8443/x").configured
    with pytest.raises(InvalidEndpoint):
        HOSTS.origin("https://localhost:8443/x")


def test_a_host_that_only_begins_like_a_cached_origin_is_refused() -> None:
    hosts = PushHosts()
    hosts.origin("https://fcm.googleapis.com/x")
    for text in (
        "https://fcm.googleapis.comX",
        "https://fcm.googleapis.com?",
        "https://fcm.googleapis.com.evil/x",
    ):
        try:
            assert hosts.origin(text).host == urlsplit(text).hostname
        except InvalidEndpoint:
            continue


def test_the_cache_of_origins_is_bounded() -> None:
    hosts = PushHosts()
    for number in range(MAX_CACHED_ORIGINS + 10):
        hosts.origin(f"https://n{number}.push.apple.com/x")
    assert len(hosts._origins) <= MAX_CACHED_ORIGINS


PIECES = ["evil.example", "localhost", "127.0.0.1", "[::1]", "user", "a", "x-", "xn--a", "443", "8443"]
MARKS = [
    "@",
    ":",
    "/",
    "//",
    "?",
    "#",
    ".",
    "..",
    "\\",
    "%2e",
    "%00",
    "https://",
    " ",
    "\t",
    "\n",
    "\u3002",
    "\uff0e",
]
TEXTS = st.lists(st.sampled_from([*KNOWN_HOSTS, *PIECES, *MARKS]), max_size=8).map("".join)
SCHEMES = st.sampled_from(["https://", "HTTPS://", "https:/", "http://", ""])


@given(TEXTS, SCHEMES)
def test_whatever_is_accepted_leads_to_a_listed_host_for_other_parsers_too(rest: str, scheme: str) -> None:
    try:
        endpoint = parse_endpoint(scheme + rest, HOSTS)
    except InvalidEndpoint:
        return
    for host in (urlsplit(endpoint.url).hostname, URL(endpoint.url).host):
        assert host == endpoint.origin.host
        assert any(host == known or host.endswith("." + known) for known in KNOWN_HOSTS)
    assert parse_endpoint(endpoint.url, HOSTS) == endpoint
    assert HOSTS.origin(endpoint.url) == endpoint.origin


@given(st.text(max_size=80))
def test_any_text_is_either_an_endpoint_or_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(InvalidEndpoint, match=r"^the endpoint"):
        parse_endpoint(text, HOSTS)
    with pytest.raises(InvalidEndpoint, match=r"^the endpoint"):
        parse_endpoint("https://" + text, HOSTS)
