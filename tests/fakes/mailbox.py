"""What a push service keeps for one browser until the browser has it (RFC 8030 sections 5.2 and 5.4)."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.fakes.rules import Push


@dataclass(frozen=True, slots=True)
class Letter:
    """An accepted push for one of the browser's subscriptions, named by `channel`."""

    message_id: str
    channel: str
    push: Push
    expires_at: float  # seconds since the epoch

    @property
    def topic(self) -> str:
        return self.push.header("Topic")


class Mailbox:
    """Undelivered letters in order of arrival; `online` says whether the browser is connected right now."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._letters: dict[str, Letter] = {}

    def put(self, message_id: str, channel: str, push: Push, *, online: bool) -> Letter:
        """Keep a letter until `settle`; one of the same topic goes, and TTL 0 is not kept for later."""
        ttl = int(push.header("TTL") or 0)
        letter = Letter(message_id, channel, push, self._clock() + ttl)
        if letter.topic:
            self._letters = {
                other_id: other
                for other_id, other in self._letters.items()
                if (other.channel, other.topic) != (channel, letter.topic)
            }
        if online or ttl > 0:
            self._letters[message_id] = letter
        return letter

    def settle(self, message_id: str) -> None:
        """The browser has it."""
        self._letters.pop(message_id, None)

    def pending(self) -> list[Letter]:
        """What a browser that connects now must get."""
        now = self._clock()
        return [letter for letter in self._letters.values() if letter.expires_at > now]
