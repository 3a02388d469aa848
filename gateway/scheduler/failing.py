"""What fails must not stop a job for all others: it is told of, passed over, and tried again later."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from math import inf

from gateway.logs import Log
from storage.errors import StorageUnavailable
from storage.messages import Message

log = Log(__name__)

TRY_AGAIN = 60.0  # seconds
MOST = 1_000  # that fail at once and stand before nobody else: each is read to be passed over


class Failing:
    """What fails of late, by id; each is logged once as `event`, with the id in the field `name`."""

    def __init__(self, event: str, name: str) -> None:
        self._event = event
        self._name = name
        self._known: set[int] = set()
        self._again_at = -inf

    @contextmanager
    def watch(self, id: int) -> Iterator[None]:
        """Goes on behind the block when it fails; StorageUnavailable is no failing of its own."""
        try:
            yield
        except StorageUnavailable:
            raise
        except Exception as exc:
            if id not in self._known:
                self._known.add(id)
                log.error(self._event, cause=exc, **{self._name: id})

    @property
    def room(self) -> int:
        """How many more to look at than are to be worked on, because they will be passed over."""
        return min(len(self._known), MOST)

    def pass_over(self, found: Iterable[Message], now: float) -> list[Message]:
        """Those of `found` that do not fail; once a minute all. `now`: seconds of a monotonic clock."""
        if now >= self._again_at:
            self._again_at = now + TRY_AGAIN
            everything = list(found)
            self._known.intersection_update(message.id for message in everything)  # the others have ended
            return everything
        return [message for message in found if message.id not in self._known]

    def works(self, id: int) -> None:
        """It is told of again when it fails again."""
        self._known.discard(id)
