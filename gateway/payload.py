"""The plaintext of a push, the JSON that the worker in the browser reads. The format lives here.

    {"v": 1, "m": "msg_…", "t": event token, "n": {notification}, "g": public URL of the gateway, "j": spread,
     "u": valid until, "f": {notification}}

`m` and the tag say in whose place it is shown: that of a withdrawal is the message that it withdraws. Events
are of the message that the token names.

`j` is over how many milliseconds workers spread their reports of a display; left out, they take ten seconds.

From `u` on (milliseconds since the epoch, by the browser's clock) workers show `f` instead of `n`, without an
`f` a neutral notification, and close `n` if it is on the screen. Left out: `n` is good for ever.

Deployed workers outlive releases: add fields, never change the meaning of one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from msgspec import json
from msgspec.structs import replace

from gateway.campaigns.liquid import ParseText, parse_text
from gateway.campaigns.personal import Person, PersonalNotification, texts_of
from gateway.campaigns.utm import Pairs, utm_pairs
from gateway.content import Content, Notification, holds_liquid, with_utm
from gateway.webpush import MAX_PLAINTEXT
from storage.ids import Kind, encode_id
from storage.messages import Priority

VERSION: Final = 1
EVENT_TOKEN_LENGTH: Final = 60
PROMPT_SPREAD: Final = 500  # ms: few recipients make no wall of reports, and somebody may be waiting

_encode = json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Validity:
    """Until when a notification may be shown, and what is shown afterwards."""

    until: int
    instead: Notification | None

    @classmethod
    def of(cls, content: Content) -> "Validity | None":
        if content.valid_until is None:
            return None
        instead = content.fallback and with_utm(content.fallback, utm_pairs(content.utm))
        return cls(content.valid_until, instead)


class PayloadTemplate:
    """One message's payload, encoded once; event token and recipient's data are put in for each."""

    __slots__ = ("_bare", "_common", "_data", "_head", "_tail")

    def __init__(
        self,
        message_id: int,
        notification: Notification,
        public_url: str,
        priority: Priority,
        validity: Validity | None = None,
    ) -> None:
        self._head, self._tail = _frame(message_id, public_url, priority, validity)
        self._common = b'","n":' + _encode(notification) + self._tail
        self._data = notification.data
        # Everything but the data, left open for it: a title is always there, so a comma always fits.
        self._bare = b'","n":' + _encode(replace(notification, data={}))[:-1] + b',"data":'

    def render(self, event_token: str, data: Mapping[str, Any] | None = None) -> bytes:
        """The payload for one recipient. `data` is added to the notification's, and wins."""
        if not data:
            return b"%b%b%b" % (self._head, event_token.encode(), self._common)
        merged = _encode({**self._data, **data})
        return b"%b%b%b%b}%b" % (self._head, event_token.encode(), self._bare, merged, self._tail)


class PersonalTemplate:
    """As PayloadTemplate, of a notification that holds Liquid. TemplateError when it is none."""

    __slots__ = ("_head", "_notification", "_tail")

    def __init__(
        self,
        message_id: int,
        notification: Notification,
        public_url: str,
        priority: Priority,
        validity: Validity | None,
        utm: Pairs,
        parse: ParseText,
    ) -> None:
        self._head, self._tail = _frame(message_id, public_url, priority, validity)
        self._notification = PersonalNotification(notification, utm, parse=parse)

    def render(self, event_token: str, person: Person) -> bytes:
        """The payload for one recipient. RenderFailed."""
        notification = self._notification.render(person)
        return b'%b%b","n":%b%b' % (self._head, event_token.encode(), notification, self._tail)


def make_template(
    message_id: int,
    notification: Notification,
    public_url: str,
    priority: Priority,
    validity: Validity | None = None,
    utm: Pairs = (),
    *,
    parse: ParseText = parse_text,
) -> PayloadTemplate | PersonalTemplate:
    """What renders it for all, or for each. TemplateError."""
    linked = with_utm(notification, utm)
    if any(holds_liquid(text) for _, _, text in texts_of(linked)):
        return PersonalTemplate(message_id, linked, public_url, priority, validity, utm, parse)
    return PayloadTemplate(message_id, linked, public_url, priority, validity)


def _frame(
    message_id: int, public_url: str, priority: Priority, validity: Validity | None
) -> tuple[bytes, bytes]:
    """What stands before the event token, and after the notification."""
    head = b'{"v":%d,"m":"%b","t":"' % (VERSION, encode_id(Kind.MESSAGE, message_id).encode())
    spread = b',"j":%d' % PROMPT_SPREAD if priority is Priority.TRANSACTIONAL else b""
    ends = b"" if validity is None else b',"u":%d' % validity.until
    if validity is not None and validity.instead is not None:
        ends += b',"f":' + _encode(validity.instead)
    return head, b',"g":%b%b%b}' % (_encode(public_url), spread, ends)


def bytes_over(template: PayloadTemplate, data: Mapping[str, Any] | None = None) -> int:
    """How many bytes the payload is too long for one record (RFC 8291 section 4); 0 when it fits."""
    return max(0, len(template.render("x" * EVENT_TOKEN_LENGTH, data)) - MAX_PLAINTEXT)
