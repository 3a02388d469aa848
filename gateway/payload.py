"""The plaintext of a push, the JSON that the worker in the browser reads. The format lives here.

    {"v": 1, "m": "msg_…", "t": event token, "n": {notification}, "g": public URL of the gateway, "j": spread}

`j` is over how many milliseconds workers spread their reports of a display; left out, they take ten seconds.

Deployed workers outlive releases: add fields, never change the meaning of one.
"""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import json
from msgspec.structs import replace

from gateway.content import Notification
from gateway.webpush import MAX_PLAINTEXT
from storage.ids import Kind, encode_id
from storage.messages import Priority

VERSION: Final = 1
EVENT_TOKEN_LENGTH: Final = 60
PROMPT_SPREAD: Final = 500  # ms: few recipients make no wall of reports, and somebody may be waiting

_encode = json.Encoder().encode


class PayloadTemplate:
    """One message's payload, encoded once; event token and recipient's data are put in for each."""

    __slots__ = ("_bare", "_common", "_data", "_head", "_tail")

    def __init__(
        self, message_id: int, notification: Notification, public_url: str, priority: Priority
    ) -> None:
        self._head = b'{"v":%d,"m":"%b","t":"' % (VERSION, encode_id(Kind.MESSAGE, message_id).encode())
        spread = b',"j":%d' % PROMPT_SPREAD if priority is Priority.TRANSACTIONAL else b""
        self._tail = b',"g":%b%b}' % (_encode(public_url), spread)
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


def bytes_over(template: PayloadTemplate, data: Mapping[str, Any] | None = None) -> int:
    """How many bytes the payload is too long for one record (RFC 8291 section 4); 0 when it fits."""
    return max(0, len(template.render("x" * EVENT_TOKEN_LENGTH, data)) - MAX_PLAINTEXT)
