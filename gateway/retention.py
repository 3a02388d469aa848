"""How long what happened to each recipient is kept, and what follows from that."""

from typing import Final

from gateway.errors import RowsRemoved
from gateway.ingest import MAX_TOKEN_AGE
from gateway.settings import PREFIX, Settings
from storage import removals
from storage.database import Transaction
from storage.removals import Raw

DAY: Final = 24 * 3_600_000  # milliseconds
# Machines of one gateway may disagree about the time a little: what one removes no other may count again.
MARGIN: Final = 3_600_000


def kept_days(settings: Settings, raw: Raw) -> int:
    """0: for ever."""
    return settings.keep_deliveries if raw is Raw.DELIVERIES else settings.keep_events


def kept_since(settings: Settings, raw: Raw, now: int) -> int | None:
    """Rows of what ended before are removed; None: none are."""
    days = kept_days(settings, raw)
    return now - days * DAY - MARGIN if days else None


def most_token_age(settings: Settings) -> int:
    """Milliseconds. An event is told apart from its repetition by its row: it must not outlive the rows."""
    return min(MAX_TOKEN_AGE, settings.keep_events * DAY) if settings.keep_events else MAX_TOKEN_AGE


async def check_kept(tx: Transaction, settings: Settings, message_id: int) -> None:
    """RowsRemoved when nobody knows any more what became of each recipient of the message."""
    raw = Raw.DELIVERIES
    if await removals.begun(tx, raw, message_id):
        days = kept_days(settings, raw)
        since = f"{days} days after its end" if days else "some time after its end, as the setting was then"
        raise RowsRemoved(
            f"What became of each recipient was removed {since} ({PREFIX}KEEP_{raw.upper()}); "
            "the message's progress and statistics stay."
        )
