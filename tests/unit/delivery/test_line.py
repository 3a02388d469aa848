"""One provider's part of a sender, by itself."""

import pytest

from gateway.delivery.flight import Flight
from gateway.delivery.limits import SenderLimits
from gateway.delivery.line import MOST_SITES, Line
from gateway.outgoing import Outgoing
from storage.batches import Batch, pack
from storage.messages import Message, Priority

NOW = 1_767_225_600_000
MESSAGE = Message(
    id=1,
    site_id=1,
    priority=Priority.BULK,
    lane=1,
    content="{}",
    audience_spec="{}",
    ttl=3_600,
    send_at=NOW,
    created_at=NOW,
)


def test_sites_that_were_throttled_and_never_send_again_are_forgotten() -> None:
    line = Line("fcm", SenderLimits())
    line.throttle(1, now=0.0)
    line.sites[1].in_flight = 1
    for site_id in range(2, 2 * MOST_SITES):
        line.throttle(site_id, now=0.0)
    assert len(line.sites) == MOST_SITES
    assert {1, 2 * MOST_SITES - 1} <= set(line.sites)


def test_what_goes_wrong_with_a_flight_is_told_without_its_members_and_keys() -> None:
    endpoint = "https://fcm.googleapis.com/fcm/send/secret"
    flight = Flight(
        batch=Batch(8, 1, 1, "fcm", pack([1]), 1, NOW, 1, 0, 0, 1, NOW, leases=1),
        outgoing=Outgoing(MESSAGE, "https://push.example"),
        contact="mailto:ops@shop.example",
        event_key=b"secret",
        keys={},
        waiting=[(1, "active", endpoint, b"secret", b"secret", 1, None, None, None, NOW)],
        started_at=NOW,
    )
    line = Line("fcm", SenderLimits())
    with pytest.raises(ValueError, match=r"Flight\(batch 8\)") as caught:
        line.remove(flight)
    assert "secret" not in str(caught.value)
