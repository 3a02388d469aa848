"""The topics of messages that may be withdrawn."""

from base64 import urlsafe_b64decode

from hypothesis import given
from hypothesis import strategies as st

from gateway.campaigns.rules import Rules
from gateway.campaigns.withdrawal import topic_of
from gateway.content import Options
from gateway.webpush import parse_topic
from storage.ids import MAX_ID

IDS = st.integers(0, MAX_ID)


@given(IDS)
def test_every_push_service_takes_the_topic_and_the_message_can_be_read_off_it(id: int) -> None:
    topic = topic_of(id, Options(), Rules(withdrawable=True))
    assert topic is not None
    assert parse_topic(topic) == topic
    assert int.from_bytes(urlsafe_b64decode(topic)[-8:], "big") == id  # so no two have the same


def test_a_topic_of_its_own_wins_and_others_have_none() -> None:
    assert topic_of(1, Options(topic="weekly"), Rules(withdrawable=True)) == "weekly"
    assert topic_of(1, Options(), Rules()) is None
