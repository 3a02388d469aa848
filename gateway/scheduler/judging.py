"""Puts the recipients of one step of an audience into batches, each where `plan` says."""

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gateway.campaigns.plan import Place, Timetable, plan
from storage.batches import MAX_MEMBERS, Batch, pack
from storage.database import Row
from storage.ids import IdSource
from storage.rollups import SKIPPED, Rollup
from storage.subscription import RecipientRow

SHARE = 5  # seconds of a message's rate in one batch: a sender keeps what it has claimed for as long


class Judged(NamedTuple):
    """What one step writes. Together they count everybody in it."""

    batches: Sequence[Batch]
    skipped: Sequence[Rollup]


def judge(timetable: Timetable, rows: Iterable[Row], now: int, ids: IdSource) -> Judged:
    """`rows` are the columns of a RecipientRow, of a plain message only id and provider.

    Nothing is carried over to the next step: half-full batches are cheap, and a crash can lose nobody.
    """
    message = timetable.message
    groups: defaultdict[tuple[str, Place], array[int]] = defaultdict(lambda: array("q"))
    skips: Counter[tuple[str, str]] = Counter()
    if timetable.is_plain:
        everybody = Place(now)
        for id, provider in rows:
            groups[provider, everybody].append(id)
    else:
        for recipient in map(RecipientRow._make, rows):
            place = plan(recipient, timetable, now)
            if isinstance(place, Place):
                groups[recipient.provider, place].append(recipient.id)
            else:
                skips[recipient.provider, place.value] += 1
    most = MAX_MEMBERS if message.rate is None else max(1, min(MAX_MEMBERS, message.rate * SHARE))
    return Judged(
        [
            Batch(
                id=ids.next(),
                site_id=message.site_id,
                message_id=message.id,
                provider=provider,
                members=pack(members[start : start + most]),
                size=len(members[start : start + most]),
                due_at=place.due_at,
                attempt=1,
                stage=place.stage,
                variant=place.variant,
                lane=message.lane,
                created_at=max(now, place.due_at or 0),  # since when they wait
                window_ends_at=place.window_ends_at,
            )
            for (provider, place), members in groups.items()
            for start in range(0, len(members), most)
        ],
        [
            Rollup(message.site_id, message.id, 0, provider, now, SKIPPED + reason, n)
            for (provider, reason), n in skips.items()
        ],
    )
