"""Messages made ready for sending: parsed and encoded once, then rendered for each recipient."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from gateway.audience import read_audience
from gateway.campaigns.rules import read_rules
from gateway.content import Options, read_content
from gateway.payload import PayloadTemplate
from storage.messages import Message
from storage.subscription import VisitorRow

# The content of a message that has started never changes. With data for 10,000 recipients it is megabytes.
MOST = 64
MOST_TEXT = 8_000_000  # characters of stored JSON


class NotARecipient(Exception):
    """A visitor was addressed by an external id and identifies as somebody else since: not their message."""

    def __init__(self) -> None:
        super().__init__("the visitor is not identified as one of the recipients any more")


class Outgoing:
    """What a sender needs of one message.

    Parsed when the first push is rendered, not before: a message that cannot be read then fails its own
    pushes, not the sender that has claimed it among others.
    """

    def __init__(self, message: Message, public_url: str) -> None:
        self._message = message
        self._public_url = public_url
        self.size = len(message.content) + len(message.audience_spec)
        self.ttl = message.ttl
        self.expires_at = message.expires_at
        self.started_at = message.started_at or message.created_at

    @cached_property
    def options(self) -> Options:
        return read_content(self._message).options

    @cached_property
    def is_dry_run(self) -> bool:
        """Whether everything is to be done but the push."""
        return read_rules(self._message).dry_run

    @property
    def needs_visitors(self) -> bool:
        """Whether `render` asks for more of each recipient than the members of every batch tell."""
        return False

    def render(
        self,
        event_token: str,
        external_id: str | None,
        variant: int = 0,  # noqa: ARG002
        visitor: VisitorRow | None = None,  # noqa: ARG002
    ) -> bytes:
        """The plaintext for one recipient. Raises NotARecipient; msgspec's errors when it cannot be read."""
        if self._data_of is None:
            return self._template.render(event_token)
        data = self._data_of.get(external_id)
        if data is None:
            raise NotARecipient
        return self._template.render(event_token, data)

    @cached_property
    def _template(self) -> PayloadTemplate:
        notification = read_content(self._message).notification
        return PayloadTemplate(self._message.id, notification, self._public_url, self._message.priority)

    @cached_property
    def _data_of(self) -> Mapping[str | None, Mapping[str, Any]] | None:
        """Data by external id; None when the message addresses nobody by external id."""
        audience = read_audience(self._message.audience_spec)
        names = audience.named_external_ids
        if names is None:
            return None
        data_of = audience.data_of
        return {name: data_of.get(name, {}) for name in names}


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
