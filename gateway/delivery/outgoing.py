"""The messages that a sender has sent of late, kept ready."""

from collections.abc import Iterable

from gateway.outgoing import Outgoing
from storage.messages import Message

# The content of a message that has started never changes. With data for 10,000 recipients it is megabytes.
MOST = 64
MOST_TEXT = 8_000_000  # characters of stored JSON


class OutgoingCache:
    """The messages of late, by id; the longest unused is forgotten first.

    Two lanes share it: whoever needs a message keeps what `get` or `add` returned, and does not ask again.
    """

    def __init__(self, public_url: str) -> None:
        self._public_url = public_url
        self._kept: dict[int, Outgoing] = {}

    def get(self, ids: Iterable[int]) -> dict[int, Outgoing]:
        """Those of `ids` that it has."""
        found = {id: self._kept.pop(id) for id in set(ids) if id in self._kept}
        self._kept.update(found)
        return found

    def add(self, messages: Iterable[Message]) -> dict[int, Outgoing]:
        """Keeps them, forgets what is too much, and answers all that were added."""
        added = {message.id: Outgoing(message, self._public_url) for message in messages}
        self._kept.update(added)
        text = sum(outgoing.size for outgoing in self._kept.values())
        while len(self._kept) > MOST or (text > MOST_TEXT and len(self._kept) > 1):
            text -= self._kept.pop(next(iter(self._kept))).size
        return added
