"""The one format in which subscriptions come and go: a line of JSON each (NDJSON)."""

from codecs import BOM_UTF8
from collections.abc import AsyncIterable, AsyncIterator

from msgspec import Struct

from gateway.categories import CategoryNames
from gateway.push_subscription import EndpointText, Expiration, PushKeys
from gateway.subscription_fields import Attributes, ExternalId, Language, Tags, Timezone
from gateway.visitor import Browser, Country, Platform

MAX_LINE = 64 * 1024  # every field at its limit, generously escaped
CONTENT_TYPE = "application/x-ndjson"


class SubscriptionLine(
    Struct,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={"expiration_time": "expirationTime"},
):
    """One subscription. What `PushSubscription.toJSON()` returns is a valid line.

    `application_server_key` says which key the browser subscribed with, `key_id` says it in ids of this
    gateway. Where both stand the first counts, so that another gateway that holds the key can read an export.
    Where neither stands it is the newest active one.
    """

    endpoint: EndpointText
    keys: PushKeys
    expiration_time: Expiration | None = None
    tags: Tags | None = None
    attributes: Attributes | None = None
    external_id: ExternalId | None = None
    language: Language | None = None
    timezone: Timezone | None = None
    country: Country | None = None
    browser: Browser | None = None
    platform: Platform | None = None
    opted_out: CategoryNames | None = None
    key_id: str | None = None
    application_server_key: str | None = None


async def split_lines(chunks: AsyncIterable[bytes]) -> AsyncIterator[tuple[int, bytes | None]]:
    """Lines that are not blank, with their numbers from 1; None for one longer than MAX_LINE.

    Holds one chunk and one line, whatever the length of the stream.
    """
    number = 1
    rest = b""
    too_long = False
    async for chunk in chunks:
        *complete, tail = chunk.split(b"\n")
        for piece in complete:
            line = _bare(number, rest + piece)
            if too_long or len(line) > MAX_LINE:
                yield number, None
            elif line.strip():
                yield number, line
            number, rest, too_long = number + 1, b"", False
        rest += tail
        if len(rest) > MAX_LINE:
            rest, too_long = b"", True
    if too_long:
        yield number, None
    elif (line := _bare(number, rest)).strip():
        yield number, line


def _bare(number: int, line: bytes) -> bytes:
    """Without the byte order mark that some editors put before the first line (RFC 8259 section 8.1)."""
    return line.removeprefix(BOM_UTF8) if number == 1 else line
