"""What a sender keeps of the messages it has sent lately."""

from dataclasses import replace

from gateway.delivery.outgoing import OutgoingCache
from storage.messages import Message, Priority

MESSAGE = Message(
    id=1,
    site_id=1,
    priority=Priority.BULK,
    lane=1,
    content="{}",
    audience_spec="{}",
    ttl=60,
    send_at=0,
    created_at=0,
)


def test_messages_with_data_for_many_do_not_pile_up_in_memory() -> None:
    cache = OutgoingCache("https://push.example")
    for id in range(1, 11):
        cache.add([replace(MESSAGE, id=id, audience_spec="x" * 3_000_000)])
    assert sorted(cache.get(range(1, 11))) == [9, 10]


def test_of_many_small_messages_the_latest_are_kept() -> None:
    cache = OutgoingCache("https://push.example")
    added = cache.add([replace(MESSAGE, id=id) for id in range(1, 101)])
    assert len(added) == 100
    assert sorted(cache.get(range(1, 101))) == list(range(37, 101))


def test_a_message_that_is_still_used_is_kept() -> None:
    cache = OutgoingCache("https://push.example")
    for id in range(1, 101):
        cache.get([1])
        cache.add([replace(MESSAGE, id=id)])
    assert 1 in cache.get([1])
