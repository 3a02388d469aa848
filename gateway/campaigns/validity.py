"""`valid_until`: the moment from which what a message says is not true any more.

Nobody is sent it from then on, and push services are not asked to keep it longer: it is an `expires_at`, too.
A push that arrives later nevertheless shows the fallback, by the browser's own clock (gateway.payload).
"""

from gateway.errors import FieldError


def last_moment(expires_at: int | None, valid_until: int | None) -> int | None:
    """From when on nobody is sent the message. All in milliseconds since the epoch; None: no such moment."""
    if expires_at is None or valid_until is None:
        return valid_until if expires_at is None else expires_at
    return min(expires_at, valid_until)


def check_valid_until(
    valid_until: int | None, send_at: int | None, now: int, *, recurs: bool
) -> list[FieldError]:
    """What types cannot say. `send_at`: when the message starts, None for now."""
    if valid_until is None:
        return []
    if recurs:
        sentence = "This would be one moment for all occurrences: say recurrence.until, or options.ttl."
        return [FieldError("valid_until", sentence)]
    if valid_until <= now:
        return [FieldError("valid_until", "This is in the past: nobody would see the message.")]
    if send_at is not None and valid_until <= send_at:
        return [FieldError("valid_until", "This is not after the start: nobody would see the message.")]
    return []
