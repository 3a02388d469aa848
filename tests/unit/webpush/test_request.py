"""Header lines per push service, prepared once and shared."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.webpush import (
    MAX_TTL,
    ApplicationServerKey,
    InvalidTopic,
    Origin,
    PushHosts,
    RequestHeaders,
    Urgency,
    parse_topic,
)
from tests.fakes.clock import FakeClock

KEY = ApplicationServerKey.generate()
CONTACT = "mailto:ops@example.com"
FCM = PushHosts().origin("https://fcm.googleapis.com/x")
WNS = PushHosts().origin("https://wns2-par02p.notify.windows.com/x")


def as_dict(lines: list[str]) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in lines)


def test_a_push_carries_what_every_push_service_asks_for() -> None:
    headers = as_dict(RequestHeaders(FakeClock().now).get(KEY, CONTACT, FCM, 60))
    authorization = headers.pop("Authorization")
    assert re.fullmatch(rf"vapid t=[\w-]+\.[\w-]+\.[\w-]+, k={KEY.public}", authorization)
    assert headers == {
        "TTL": "60",
        "Urgency": "normal",
        "Content-Type": "application/octet-stream",
        "Content-Encoding": "aes128gcm",
    }


def test_urgency_and_topic_are_passed_on() -> None:
    headers = as_dict(RequestHeaders(FakeClock().now).get(KEY, CONTACT, FCM, 60, Urgency.VERY_LOW, "sale"))
    assert headers["Urgency"] == "very-low"
    assert headers["Topic"] == "sale"


def test_only_wns_is_told_a_cache_policy() -> None:
    headers = RequestHeaders(FakeClock().now)
    assert as_dict(headers.get(KEY, CONTACT, WNS, 60))["X-WNS-Cache-Policy"] == "cache"
    assert "X-WNS-Cache-Policy" not in as_dict(headers.get(KEY, CONTACT, FCM, 60))


@pytest.mark.parametrize("ttl", [0, -1, MAX_TTL + 1])
def test_a_ttl_that_some_push_service_refuses_is_an_error(ttl: int) -> None:
    with pytest.raises(ValueError, match="between 1 and 2419200"):
        RequestHeaders(FakeClock().now).get(KEY, CONTACT, FCM, ttl)


def test_messages_alike_share_one_list() -> None:
    headers = RequestHeaders(FakeClock().now)
    first = headers.get(KEY, CONTACT, FCM, 60)
    assert headers.get(KEY, CONTACT, FCM, 60) is first
    others: list[tuple[Origin, int, Urgency, str | None]] = [
        (WNS, 60, Urgency.NORMAL, None),
        (FCM, 61, Urgency.NORMAL, None),
        (FCM, 60, Urgency.HIGH, None),
        (FCM, 60, Urgency.NORMAL, "sale"),
    ]
    for origin, ttl, urgency, topic in others:
        assert headers.get(KEY, CONTACT, origin, ttl, urgency, topic) != first


def test_lists_of_one_key_and_push_service_share_one_token() -> None:
    headers = RequestHeaders(FakeClock().now)
    tokens = {as_dict(headers.get(KEY, CONTACT, FCM, ttl))["Authorization"] for ttl in (60, 61, 62)}
    assert len(tokens) == 1


def test_a_list_is_replaced_when_its_token_is() -> None:
    clock = FakeClock()
    headers = RequestHeaders(clock.now)
    first = headers.get(KEY, CONTACT, FCM, 60)
    clock.advance(6 * 3600)
    second = headers.get(KEY, CONTACT, FCM, 60)
    assert second is not first
    assert as_dict(second)["Authorization"] != as_dict(first)["Authorization"]


def test_the_number_of_lists_is_bounded() -> None:
    headers = RequestHeaders(FakeClock().now, limit=2)
    first = headers.get(KEY, CONTACT, FCM, 1)
    headers.get(KEY, CONTACT, FCM, 2)
    headers.get(KEY, CONTACT, FCM, 3)
    assert headers.get(KEY, CONTACT, FCM, 1) is not first


@pytest.mark.parametrize("topic", ["ab", "sale", "A-z_09", "x" * 32])
def test_a_topic_that_all_push_services_take_passes(topic: str) -> None:
    assert parse_topic(topic) == topic


@pytest.mark.parametrize(
    "topic", ["", "x" * 33, "a b", "a\n", "a=", "a+b", "\u00e9\u00e9", "a", "12345", "x" * 13]
)
def test_a_topic_that_some_push_service_refuses_is_refused(topic: str) -> None:
    with pytest.raises(InvalidTopic):
        parse_topic(topic)


@given(st.text(max_size=40) | st.from_regex(r"[A-Za-z0-9_-]{0,40}", fullmatch=True))
def test_an_accepted_topic_is_base64url_of_some_bytes(text: str) -> None:
    try:
        topic = parse_topic(text)
    except InvalidTopic:
        return
    assert re.fullmatch(r"[A-Za-z0-9_-]{2,32}", topic)
    assert len(topic) % 4 != 1
