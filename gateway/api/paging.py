"""Lists: `{"items": […], "next": "cursor" | null}`, keyset pages asked for with `?cursor=&limit=`."""

import binascii
from collections.abc import Sequence
from typing import Annotated, Generic, TypeVar

from msgspec import Meta, Struct

from gateway.errors import FieldError, InvalidRequest

MAX_LIMIT = 500
ItemT = TypeVar("ItemT")

Limit = Annotated[int, Meta(ge=1, le=MAX_LIMIT, description="How many items at most.")]
Cursor = Annotated[str, Meta(max_length=64, description="`next` of the page before; opaque.")]

_MARK = b"c1"  # so that what somebody makes up is told apart from a cursor of ours
_ID_BYTES = 8


class PageQuery(Struct, forbid_unknown_fields=True, frozen=True):
    cursor: Cursor | None = None
    limit: Limit = 50


class Page(Struct, Generic[ItemT], frozen=True):
    items: Sequence[ItemT]
    next: str | None = None


def write_cursor(last_id: int) -> str:
    raw = _MARK + last_id.to_bytes(_ID_BYTES, "big", signed=True)
    return binascii.b2a_base64(raw, newline=False).translate(_TO_URL).rstrip(b"=").decode()


def read_cursor(cursor: str | None) -> int | None:
    """The id after which the page begins; None for the first page. InvalidRequest for anything else."""
    if cursor is None:
        return None
    try:
        padded = cursor.encode("ascii").translate(_FROM_URL) + b"=" * (-len(cursor) % 4)
        raw = binascii.a2b_base64(padded, strict_mode=True)
    except ValueError:  # binascii.Error and UnicodeEncodeError are both ValueErrors
        raw = b""
    if len(raw) != len(_MARK) + _ID_BYTES or not raw.startswith(_MARK):
        raise InvalidRequest(
            "The query is not what this route takes.", [FieldError("cursor", "Not a cursor of a list.")]
        )
    return int.from_bytes(raw[len(_MARK) :], "big", signed=True)


def page_of(items: Sequence[ItemT], ids: Sequence[int], limit: int) -> Page[ItemT]:
    """A page of rows that were asked for with `limit + 1`: one too many says that there is another page."""
    if len(items) <= limit:
        return Page(items)
    return Page(items[:limit], write_cursor(ids[limit - 1]))


_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_", b"+/")
