"""Identifiers: int64 inside, prefixed text outside.

An id is 41 bits of milliseconds since 2024-01-01 and 22 random bits: ids sort by the time they were made,
inserts go to the end of their B-tree, and no two machines have to talk to each other. They are not secrets.
"""

from array import array
from collections.abc import Callable, Iterable
from enum import StrEnum
from sys import byteorder

EPOCH = 1_704_067_200_000  # 2024-01-01T00:00:00Z; with 41 bits of milliseconds ids last until 2093
MAX_ID = 2**63 - 1

_RANDOM_BITS = 22
# Crockford's base32: no i, l, o, u. 13 characters hold 65 bits.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_VALUES = {character: value for value, character in enumerate(_ALPHABET)}
_LENGTH = 13


class IdSource:
    """Ids of one process, strictly increasing, even when the clock is set back.

    `now()` is milliseconds since the epoch, `random_bits(k)` an int of k random bits (secrets.randbits).
    """

    def __init__(self, now: Callable[[], int], random_bits: Callable[[int], int]) -> None:
        self._now = now
        self._random_bits = random_bits
        self._last = 0

    def next(self) -> int:
        fresh = (self._now() - EPOCH) << _RANDOM_BITS | self._random_bits(_RANDOM_BITS)
        self._last = max(fresh, self._last + 1)
        return self._last


def id_ceiling(at: int) -> int:
    """The largest id that can have been made up to and including `at` (ms since the epoch)."""
    return ((at - EPOCH + 1) << _RANDOM_BITS) - 1


class Kind(StrEnum):
    """The prefix tells what an id names, so that a mixed-up id is refused instead of not found."""

    SITE = "site"
    SUBSCRIPTION = "sub"
    MESSAGE = "msg"
    KEY = "key"
    AUTOMATION = "aut"
    ALERT = "alr"
    CATEGORY = "cat"
    IMAGE = "img"
    SEGMENT = "seg"
    TEMPLATE = "tpl"
    WEBHOOK = "whk"
    DELIVERY = "whd"  # of a webhook
    TOKEN = "tok"  # noqa: S105 - a prefix, no secret


class MalformedId(ValueError):
    """Text that no `encode_id` of this kind has written."""


def encode_id(kind: Kind, id: int) -> str:
    """`sub_` and 13 characters of Crockford's base32, lower case; sorts like the number."""
    digits = [_ALPHABET[id >> shift & 31] for shift in range(5 * (_LENGTH - 1), -1, -5)]
    return f"{kind.value}_{''.join(digits)}"


def decode_id(kind: Kind, text: str) -> int:
    """Only exactly what `encode_id` writes is accepted: one id has one spelling. Raises MalformedId."""
    prefix, _, digits = text.partition("_")
    if prefix != kind.value or len(digits) != _LENGTH:
        raise MalformedId(f"not an id of kind {kind.value}")
    id = 0
    for digit in digits:
        value = _VALUES.get(digit)
        if value is None:
            raise MalformedId(f"not an id of kind {kind.value}")
        id = id << 5 | value
    if id > MAX_ID:
        raise MalformedId(f"not an id of kind {kind.value}")
    return id


def pack(ids: Iterable[int]) -> bytes:
    """int64s, little endian, 8 bytes each."""
    packed = array("q", ids)
    if byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def unpack(members: bytes) -> list[int]:
    """The inverse of `pack`, in the same order."""
    packed = array("q", members)
    if byteorder == "big":
        packed.byteswap()
    return packed.tolist()
