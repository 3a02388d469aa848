import base64
import hashlib
import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.master_key import MasterKey
from gateway.tokens import (
    API_TOKEN_PREFIX,
    EVENT_TOKENS,
    HOUR,
    SUBSCRIPTION_TOKENS,
    EventToken,
    EventTokenRefusal,
    EventTokenRefused,
    hash_api_token,
    issue_event_token,
    issue_subscription_token,
    new_api_token,
    read_event_token,
    read_subscription_token,
)

MASTER = MasterKey(b"m" * 32)
NOW = 1_767_225_600_000
MONTH = 30 * 24 * HOUR
ids = st.integers(1, 2**63 - 1)
BASE64URL = set(string.ascii_letters + string.digits + "-_")


def event_key(site_id: int) -> bytes:
    return MASTER.derive(EVENT_TOKENS, site_id)


def refusal(token: str, now: int = NOW) -> EventTokenRefusal:
    with pytest.raises(EventTokenRefused) as caught:
        read_event_token(token, event_key, now, MONTH)
    return caught.value.reason


def test_api_tokens_are_recognisable_and_never_the_same() -> None:
    tokens = {new_api_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(each.startswith(API_TOKEN_PREFIX) and len(each) == 47 for each in tokens)


def test_an_api_token_is_stored_as_its_sha256_whatever_a_stranger_sends() -> None:
    assert hash_api_token("wpg_abc") == hashlib.sha256(b"wpg_abc").digest()
    assert hash_api_token("wpg_abc") != hash_api_token("wpg_abd")
    assert len(hash_api_token("\udcff ü")) == 32


@given(site_id=ids, subscription_id=ids)
def test_a_subscription_token_fits_its_own_subscription(site_id: int, subscription_id: int) -> None:
    key = MASTER.derive(SUBSCRIPTION_TOKENS, site_id)
    token = issue_subscription_token(key, site_id, subscription_id)
    assert len(token) == 32
    assert set(token) <= BASE64URL
    assert read_subscription_token(key, site_id, token) == subscription_id


@given(site_id=ids, subscription_id=ids, other=ids, stranger=st.text(max_size=40))
def test_a_subscription_token_fits_no_other(
    site_id: int, subscription_id: int, other: int, stranger: str
) -> None:
    key = MASTER.derive(SUBSCRIPTION_TOKENS, site_id)
    token = issue_subscription_token(key, site_id, subscription_id)
    of_other = issue_subscription_token(key, site_id, other)
    other_key = MASTER.derive(SUBSCRIPTION_TOKENS, other)
    assert (read_subscription_token(other_key, other, token) == subscription_id) == (other == site_id)
    assert (read_subscription_token(key, site_id, of_other[:11] + token[11:]) is not None) == (
        other == subscription_id
    )
    assert read_subscription_token(key, site_id, stranger) is None
    assert read_subscription_token(key, site_id, f"{token}=") is None


@given(
    site_id=ids,
    message_id=ids,
    subscription_id=ids,
    variant=st.integers(0, 255),
    ago=st.integers(0, MONTH - HOUR),
)
def test_an_event_token_gives_back_what_it_was_issued_for(
    site_id: int, message_id: int, subscription_id: int, variant: int, ago: int
) -> None:
    token = issue_event_token(event_key(site_id), site_id, message_id, subscription_id, variant, NOW - ago)
    assert len(token) == 60
    assert set(token) <= BASE64URL
    facts = read_event_token(token, event_key, NOW, MONTH)
    assert facts == EventToken(site_id, message_id, subscription_id, variant, (NOW - ago) // HOUR * HOUR)


TOKEN = issue_event_token(event_key(7), 7, 42, 1001, 3, NOW)


@given(at=st.integers(0, 59), letter=st.sampled_from(sorted(BASE64URL)))
def test_changing_any_letter_makes_an_event_token_worthless(at: int, letter: str) -> None:
    changed = TOKEN[:at] + letter + TOKEN[at + 1 :]
    if changed != TOKEN:
        assert refusal(changed) in (EventTokenRefusal.FORGED, EventTokenRefusal.MALFORMED)


@given(
    st.text(max_size=100) | st.binary(min_size=45, max_size=45).map(lambda b: base64.b64encode(b).decode())
)
def test_whatever_a_stranger_sends_is_refused_and_never_fails_otherwise(text: str) -> None:
    assert refusal(text) in (EventTokenRefusal.FORGED, EventTokenRefusal.MALFORMED)


@pytest.mark.parametrize(
    "token",
    ["", "x", TOKEN[:-1], TOKEN + "A", TOKEN + "=", " " + TOKEN[1:], "Ag" + TOKEN[2:], "é" * 60, "\udcff"],
)
def test_what_is_not_a_token_of_this_version_is_malformed(token: str) -> None:
    assert refusal(token) is EventTokenRefusal.MALFORMED


def test_a_token_in_the_other_base64_alphabet_is_no_second_spelling() -> None:
    for subscription_id in range(1, 200):
        token = issue_event_token(event_key(7), 7, 42, subscription_id, 0, NOW)
        other = token.replace("-", "+").replace("_", "/")
        if other != token:
            assert refusal(other) is EventTokenRefusal.MALFORMED
            return
    pytest.fail("no token with - or _ among 200")


def test_a_token_of_another_site_or_master_key_is_forged() -> None:
    assert refusal(issue_event_token(event_key(8), 7, 42, 1001, 3, NOW)) is EventTokenRefusal.FORGED
    stranger = MasterKey(b"s" * 32).derive(EVENT_TOKENS, 7)
    assert refusal(issue_event_token(stranger, 7, 42, 1001, 3, NOW)) is EventTokenRefusal.FORGED


def test_a_token_is_refused_after_its_greatest_age() -> None:
    issued_at = NOW // HOUR * HOUR
    assert read_event_token(TOKEN, event_key, issued_at + MONTH, MONTH).issued_at == issued_at
    assert refusal(TOKEN, now=issued_at + MONTH + 1) is EventTokenRefusal.TOO_OLD


def test_a_token_from_the_future_is_refused_but_for_clocks_that_disagree_a_little() -> None:
    assert read_event_token(TOKEN, event_key, NOW - HOUR, MONTH).message_id == 42
    assert refusal(TOKEN, now=NOW - HOUR - 1) is EventTokenRefusal.FROM_THE_FUTURE


def test_issuing_costs_the_sender_next_to_nothing() -> None:
    key = event_key(7)

    def microseconds() -> float:
        started = time.process_time()
        for subscription_id in range(5_000):
            issue_event_token(key, 7, 42, subscription_id, 0, NOW)
        return (time.process_time() - started) / 5_000 * 1e6

    assert min(microseconds() for _ in range(5)) < 5
