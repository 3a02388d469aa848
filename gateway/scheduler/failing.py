"""What fails must not stop a job for all others: it is told of, passed over, and tried again later."""

from collections.abc import Iterator
from contextlib import contextmanager

from gateway.logs import Log
from storage.errors import StorageUnavailable

log = Log(__name__)


class Failing:
    """What fails of late, by id; each is logged once as `event`, with the id in the field `name`."""

    def __init__(self, event: str, name: str) -> None:
        self._event = event
        self._name = name
        self._known: set[int] = set()

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

    def works(self, id: int) -> None:
        """It is told of again when it fails again."""
        self._known.discard(id)
