"""Rows that contract tests start from: complete, valid, and different only in what a test says."""

from itertools import count
from typing import Any

from storage import messages, sites
from storage.batches import Batch, pack
from storage.database import Database
from storage.deliveries import Outcome, Result
from storage.messages import Message, MessageState, Priority
from storage.sites import Identity, Site
from storage.subscriptions import NewSubscription

NOW = 1_767_225_600_000
HOUR = 3_600_000
SITE = 11
MESSAGE = 501

_batch_ids = count(9_000)


def site(id: int = SITE, **changes: Any) -> Site:
    values: dict[str, Any] = {
        "id": id,
        "name": "Example",
        "origins": ("https://example.com",),
        "contact": "mailto:ops@example.com",
        "identity": Identity.SIGNED,
        "demo": False,
        "created_at": NOW,
    }
    return Site(**{**values, **changes})


def new_subscription(number: int = 1, **changes: Any) -> NewSubscription:
    """The same number has the same endpoint and keys."""
    values: dict[str, Any] = {
        "endpoint": f"https://fcm.googleapis.com/fcm/send/{number}",
        "provider": "fcm",
        "key_id": 7,
        "p256dh": b"\x04" + number.to_bytes(64, "big"),
        "auth": number.to_bytes(16, "big"),
        "created_at": NOW,
    }
    return NewSubscription(**{**values, **changes})


def message(id: int = MESSAGE, site_id: int = SITE, **changes: Any) -> Message:
    values: dict[str, Any] = {
        "id": id,
        "site_id": site_id,
        "priority": Priority.BULK,
        "lane": 1,
        "content": '{"notification":{"title":"Sale"}}',
        "audience_spec": '{"all":true}',
        "ttl": 86_400,
        "send_at": NOW,
        "created_at": NOW,
    }
    return Message(**{**values, **changes})


def batch(message_id: int = MESSAGE, site_id: int = SITE, **changes: Any) -> Batch:
    ids = changes.pop("ids", (1, 2, 3))
    values: dict[str, Any] = {
        "id": next(_batch_ids),
        "site_id": site_id,
        "message_id": message_id,
        "provider": "fcm",
        "members": pack(ids),
        "size": len(ids),
        "due_at": NOW,
        "attempt": 1,
        "stage": 0,
        "variant": 0,
        "lane": 1,
        "created_at": NOW,
    }
    return Batch(**{**values, **changes})


def result(subscription_id: int, **changes: Any) -> Result:
    values: dict[str, Any] = {
        "site_id": SITE,
        "message_id": MESSAGE,
        "subscription_id": subscription_id,
        "provider": "fcm",
        "attempt": 1,
        "variant": 0,
        "outcome": Outcome.ACCEPTED,
        "reason": None,
        "code": 201,
        "at": NOW,
    }
    return Result(**{**values, **changes})


async def add_site(database: Database, id: int = SITE, **changes: Any) -> None:
    await database.write(lambda tx: sites.add(tx, site(id, **changes)))


async def add_sending(database: Database, id: int = MESSAGE, site_id: int = SITE, **changes: Any) -> None:
    """A message that has been started the usual way (its site must exist)."""
    await database.write(lambda tx: messages.add(tx, message(id, site_id, **changes)))
    await database.write(lambda tx: messages.start(tx, id, NOW, ceiling=2**62))
    started = (await database.read(lambda tx: messages.by_ids(tx, [id])))[id]
    assert started.state is MessageState.SENDING
