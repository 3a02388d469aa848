"""Times as the outside reads them, RFC 3339 in UTC; inside they are milliseconds since the epoch."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from msgspec import Meta

from gateway.errors import FieldError, InvalidRequest

# A moment without a zone would be read as somebody's local time.
Moment = Annotated[datetime, Meta(tz=True)]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def to_moment(at: int) -> datetime:
    return _EPOCH + at * _MILLISECOND


def to_optional_moment(at: int | None) -> datetime | None:
    return None if at is None else to_moment(at)


def from_moment(moment: datetime, path: str) -> int:
    """Milliseconds since the epoch, rounded down. InvalidRequest when `to_moment` could never show it again.

    The last hours of the year 9999 in America are in the year 10000 in UTC, which no calendar of ours has.
    """
    try:
        return (moment.astimezone(UTC) - _EPOCH) // _MILLISECOND
    except OverflowError:
        raise InvalidRequest(
            errors=[FieldError(path, "This time is not within the years 1 to 9999 in UTC.")]
        ) from None
