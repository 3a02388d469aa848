"""Idempotency keys: a request that is repeated because its answer got lost makes one message, not two.

Of each the number is kept that says what came of it: a message's id, of an event how many it was stored for.
"""

from dataclasses import dataclass
from hashlib import sha256

from gateway.errors import FieldError, IdempotencyKeyReused, InvalidRequest
from storage import messages
from storage.database import Transaction

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
LIFETIME = 24 * 3_600_000  # milliseconds that a key is kept at least; the scheduler forgets older ones
MAX_KEY = 255


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """What the caller chose, and the SHA-256 of the raw body: repeating means the same bytes again."""

    key: str
    body_hash: bytes


def parse_key(header: str | None, raw_body: bytes) -> IdempotencyKey | None:
    """InvalidRequest: not 1 to 255 visible ASCII characters. None when there is no such header."""
    if header is None:
        return None
    if not 0 < len(header) <= MAX_KEY or not all("!" <= character <= "~" for character in header):
        raise InvalidRequest(
            errors=[FieldError(HEADER, f"A key is 1 to {MAX_KEY} visible ASCII characters without spaces.")]
        )
    return IdempotencyKey(header, sha256(raw_body).digest())


async def find_result(tx: Transaction, site_id: int, key: IdempotencyKey) -> int | None:
    """What came of the request with this key. IdempotencyKeyReused: it had another body."""
    known = await messages.find_idempotent(tx, site_id, key.key)
    if known is None:
        return None
    body_hash, result, _ = known
    if body_hash != key.body_hash:
        raise IdempotencyKeyReused
    return result


async def remember(tx: Transaction, site_id: int, key: IdempotencyKey, result: int, now: int) -> None:
    """In the request's own transaction. storage.errors.Conflict: somebody else was first, roll back."""
    await messages.remember_idempotent(tx, site_id, key.key, key.body_hash, result, now)
