"""How facts become requests."""

import json
from typing import Any

import pytest

from gateway.webhooks.packing import MOST_BYTES, Packed, Written, pack, pack_for, pack_test, write_events
from storage.ids import Kind, encode_id
from storage.outbox import Waiting

NOW = 1_767_225_600_000
LIMIT = 256 * 1024


def row(facts: object, id: int = 7, at: int | None = NOW, type: str = "push.failed") -> Waiting:
    return Waiting(id, 1, type, json.dumps(facts), len(facts) if isinstance(facts, list) else 1, at)


def events_of(packed: Packed) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(packed.body)["data"]["events"]
    return found


def test_an_event_has_an_id_of_its_own_public_ids_and_the_time_at_which_it_happened() -> None:
    facts = [{"message_id": 5, "subscription_id": 6, "at": NOW - 1, "status": 410}, {"number": 2}]
    first, second = (json.loads(each.json) for each in write_events(row(facts), NOW + 9))
    assert first == {
        "id": "evt_7_0",
        "type": "push.failed",
        "timestamp": "2025-12-31T23:59:59.999Z",
        "data": {
            "message": encode_id(Kind.MESSAGE, 5),
            "subscription": encode_id(Kind.SUBSCRIPTION, 6),
            "status": 410,
        },
    }
    assert (second["id"], second["timestamp"]) == ("evt_7_1", "2026-01-01T00:00:00.000Z")
    [third] = write_events(row([{}], at=None), NOW + 9)
    assert json.loads(third.json)["timestamp"] == "2026-01-01T00:00:00.009Z"


def test_a_request_holds_a_hundred_events_and_256_kilobytes_at_most() -> None:
    small = [Written("a.b", b'{"x":1}')] * 250
    assert [each.events for each in pack(small, NOW)] == [100, 100, 50]
    large = Written("a.b", b'"' + b"x" * 100_000 + b'"')
    packed = list(pack([large] * 5, NOW))
    assert [each.events for each in packed] == [2, 2, 1]
    full = list(pack([Written("a.b", b'"' + b"x" * (MOST_BYTES // 4 - 3) + b'"')] * 9, NOW))
    assert [each.events for each in full] == [4, 4, 1]
    assert max(len(each.body) for each in packed + full) <= LIMIT


def test_types_of_a_request_are_named_once() -> None:
    events = [Written("b.c", b"{}"), Written("a.b", b"{}"), Written("b.c", b"{}")]
    [packed] = pack(events, NOW)
    assert packed.types == ("a.b", "b.c")
    assert json.loads(packed.body)["type"] == "events"


def test_a_row_that_nobody_wants_is_left_out() -> None:
    wanting = {(1, "push.failed"): [31, 32]}
    packed = pack_for([row([{}]), row([{}], 8, type="alert.raised")], wanting, NOW)
    assert {place: [each.events for each in requests] for place, requests in packed.items()} == {
        (1, 31): [1],
        (1, 32): [1],
    }


@pytest.mark.parametrize("facts", [{"not": "a list"}, ["no object"], [1]])
def test_facts_that_cannot_be_read_hold_up_nothing_behind_them(
    facts: object, caplog: pytest.LogCaptureFixture
) -> None:
    wanting = {(1, "push.failed"): [31]}
    [requests] = pack_for([row(facts), row([{"x": 1}], 8)], wanting, NOW).values()
    assert [event["id"] for each in requests for event in events_of(each)] == ["evt_8_0"]
    assert "webhook.facts_unreadable" in caplog.text


def test_a_test_names_its_webhook() -> None:
    packed = pack_test(3, 4, NOW)
    [event] = events_of(packed)
    assert (event["type"], event["data"]) == ("webhook.test", {"webhook": encode_id(Kind.WEBHOOK, 4)})
