"""VAPID tokens: verified as a push service does, signed as seldom as Apple asks for."""

import json
from base64 import urlsafe_b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from py_vapid import Vapid

from gateway.webpush import ApplicationServerKey, InvalidContact, VapidTokens, parse_contact
from gateway.webpush.vapid import HOUR
from tests.fakes.clock import FakeClock

CONTACT = "mailto:ops@example.com"
FCM = "https://fcm.googleapis.com"
APPLE = "https://web.push.apple.com"
KEY = ApplicationServerKey.generate()


def claims_of(header: str) -> dict[str, object]:
    payload = header.split("t=", 1)[1].split(",", 1)[0].split(".")[1]
    claims: dict[str, object] = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


def test_a_token_is_verified_by_the_key_in_the_header() -> None:
    header = VapidTokens(FakeClock().now).get(KEY, CONTACT, FCM).value
    assert header.startswith("vapid t=")
    assert header.endswith(f", k={KEY.public}")
    assert Vapid.verify(header.replace(", ", ","))
    assert not Vapid.verify(
        header.replace(", ", ",").replace(KEY.public, ApplicationServerKey.generate().public)
    )


def test_a_token_names_its_push_service_contact_and_end() -> None:
    clock = FakeClock()
    claims = claims_of(VapidTokens(clock.now).get(KEY, CONTACT, FCM).value)
    assert claims == {"aud": FCM, "sub": CONTACT, "exp": clock.now() // 1000 + 12 * 3600}


def test_each_push_service_has_its_own_audience() -> None:
    tokens = VapidTokens(FakeClock().now)
    audiences = [claims_of(tokens.get(KEY, CONTACT, origin).value)["aud"] for origin in (FCM, APPLE, FCM)]
    assert audiences == [FCM, APPLE, FCM]


def test_a_token_is_reused_for_hours_and_replaced_long_before_it_ends() -> None:
    clock = FakeClock()
    tokens = VapidTokens(clock.now)
    first = tokens.get(KEY, CONTACT, APPLE)
    clock.advance(5 * 3600)
    assert tokens.get(KEY, CONTACT, APPLE) is first
    clock.advance(3600)
    second = tokens.get(KEY, CONTACT, APPLE)
    assert second.value != first.value
    assert claims_of(second.value)["exp"] == clock.now() // 1000 + 12 * 3600


def test_a_token_is_replaced_when_the_clock_was_set_back_by_hours() -> None:
    clock = FakeClock()
    tokens = VapidTokens(clock.now)
    first = tokens.get(KEY, CONTACT, APPLE)
    clock.set_now(clock.now() - HOUR)
    assert tokens.get(KEY, CONTACT, APPLE) is first
    clock.set_now(clock.now() - 1000)
    assert tokens.get(KEY, CONTACT, APPLE) is not first


def test_another_key_or_contact_gets_another_token() -> None:
    tokens = VapidTokens(FakeClock().now)
    other = ApplicationServerKey.generate()
    made = {
        tokens.get(KEY, CONTACT, FCM),
        tokens.get(other, CONTACT, FCM),
        tokens.get(KEY, "https://example.com", FCM),
    }
    assert len({token.value for token in made}) == 3


def test_the_cache_forgets_the_oldest_token_first() -> None:
    tokens = VapidTokens(FakeClock().now, limit=2)
    first, second = (
        tokens.get(KEY, CONTACT, "https://a.example"),
        tokens.get(KEY, CONTACT, "https://b.example"),
    )
    tokens.get(KEY, CONTACT, "https://c.example")
    assert tokens.get(KEY, CONTACT, "https://b.example") is second
    assert tokens.get(KEY, CONTACT, "https://a.example") is not first


@pytest.mark.parametrize(
    ("text", "contact"),
    [
        ("mailto:ops@example.com", "mailto:ops@example.com"),
        ("MAILTO:first.last+push@mail.example.co.uk", "mailto:first.last+push@mail.example.co.uk"),
        ("https://example.com", "https://example.com"),
        ("HTTPS://example.com/contact?who=ops", "https://example.com/contact?who=ops"),
        ("https://example.com:8443/contact", "https://example.com:8443/contact"),
    ],
)
def test_a_real_contact_is_taken(text: str, contact: str) -> None:
    assert parse_contact(text) == contact


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("ops@example.com", "begin with mailto: or https://"),
        ("http://example.com", "begin with mailto: or https://"),
        ("", "begin with mailto: or https://"),
        ("mailto:", "not one e-mail address"),
        ("mailto:example.com", "not one e-mail address"),
        ("mailto:@example.com", "not one e-mail address"),
        ("mailto:a@b@example.com", "not one e-mail address"),
        ("mailto:a@example.com,b@example.com", "not one e-mail address"),
        ("mailto:a@example.com?subject=x", "not a public one"),
        ("mailto: ops@example.com", "white space"),
        ("mailto:<ops@example.com>", "angle brackets"),
        ("mailto:ops@ex\u00e4mple.com", "outside ASCII"),
        ("mailto:ops@example.com\n", "white space"),
        ("mailto:ops@localhost", "not a public one"),
        ("mailto:ops@server.local", "not a public one"),
        ("mailto:ops@push.localhost", "not a public one"),
        ("mailto:ops@127.0.0.1", "not a public one"),
        ("mailto:ops@[127.0.0.1]", "not a public one"),
        ("mailto:ops@.example.com", "not a public one"),
        ("https://localhost/contact", "not a public one"),
        ("https://127.0.0.1/", "not a public one"),
        ("https://[::1]/", "not a public one"),
        ("https://[::1/", "not a valid https"),
        ("https://user@example.com/", "not a valid https"),
        ("https://example.com:99999/", "not a valid https"),
        ("https:example.com", "not a public one"),
        ("mailto:" + "a" * 300 + "@example.com", "at most 255"),
    ],
)
def test_a_contact_that_a_push_service_refuses_is_refused_here(text: str, sentence: str) -> None:
    with pytest.raises(InvalidContact, match=sentence):
        parse_contact(text)


@given(
    st.text(max_size=60).map(lambda text: "mailto:" + text)
    | st.text(max_size=60).map(lambda text: "https://" + text)
)
def test_whatever_is_accepted_as_contact_is_one_plain_ascii_word(text: str) -> None:
    try:
        contact = parse_contact(text)
    except InvalidContact:
        return
    assert contact.isascii()
    assert contact.isprintable()
    assert not set(" <>\"'\\") & set(contact) - {"'"}
    assert parse_contact(contact) == contact
