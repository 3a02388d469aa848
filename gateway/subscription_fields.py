"""What a site may say of a visitor, and the limit of each field.

One definition for the four ways in: a page registers, a page changes its record, an admin changes one, an
admin imports many. Lengths in characters are part of the types (and so of the OpenAPI document); what a type
cannot say - bytes, time zones, signatures - is checked here and answered with the field's path.
"""

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Final
from zoneinfo import available_timezones

from msgspec import Meta

from gateway.errors import FieldError

MAX_TAGS = 50
MAX_ATTRIBUTES = 50
MAX_VALUE_BYTES = 256

_NO_PLACES: Final = {"Factory", "localtime", "posixrules"}  # files beside the zones: this machine's own, say

# No control characters: PostgreSQL refuses NUL in a text, and the others break the lines of logs and exports.
# `(?!\n)` because Python's `$` also matches before a final line feed, unlike the `$` of JSON Schema.
PRINTABLE: Final = "^[^\\u0000-\\u001f\\u007f]*(?!\\n)$"

Tag = Annotated[str, Meta(min_length=1, max_length=64, pattern=PRINTABLE)]
Tags = Annotated[list[Tag], Meta(max_length=MAX_TAGS, description="Labels, at most 50 on a subscription.")]
AttributeName = Annotated[str, Meta(min_length=1, max_length=64, pattern=PRINTABLE)]
# Numbers beyond 2^53 are not the same number in every JSON reader (RFC 7493 section 2.2).
_Integer = Annotated[int, Meta(ge=-(2**53), le=2**53)]
_Text = Annotated[str, Meta(max_length=MAX_VALUE_BYTES, pattern=PRINTABLE)]
AttributeValue = _Text | _Integer | float | bool
Attributes = Annotated[
    dict[AttributeName, AttributeValue],
    Meta(max_length=MAX_ATTRIBUTES, description="Typed by their JSON value; at most 256 bytes each."),
]
AttributeChanges = Annotated[
    dict[AttributeName, AttributeValue | None],
    Meta(max_length=MAX_ATTRIBUTES, description="Merged with what is stored; null removes one."),
]
ExternalId = Annotated[
    str,
    Meta(min_length=1, max_length=256, pattern=PRINTABLE, description="The visitor, as the site knows them."),
]
Language = Annotated[
    str,
    Meta(
        max_length=35,
        pattern="^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*(?!\\n)$",
        description="A language tag (BCP 47), as in `navigator.language`.",
    ),
]
Timezone = Annotated[
    str, Meta(max_length=64, description="A name of the IANA time zone database, `Europe/Berlin` say.")
]


def check_fields(
    attributes: Mapping[str, object] | None = None, timezone: str | None = None
) -> list[FieldError]:
    """What the types cannot say: bytes of attribute values, and whether a zone exists."""
    errors = [
        FieldError(f"attributes.{name}", f"A value has at most {MAX_VALUE_BYTES} bytes in UTF-8.")
        for name, value in (attributes or {}).items()
        if isinstance(value, str) and len(value.encode()) > MAX_VALUE_BYTES
    ]
    if timezone is not None:
        errors += check_zone(timezone, "timezone")
    return errors


def check_zone(timezone: str, path: str) -> list[FieldError]:
    """Whether it exists."""
    if timezone in _zones():
        return []
    return [FieldError(path, "This is not a zone of the IANA time zone database.")]


def check_totals(tags: Sequence[str] | None, attributes: Mapping[str, object] | None) -> list[FieldError]:
    """What is wrong once a change has been merged with what was stored."""
    errors = []
    if len(tags or ()) > MAX_TAGS:
        errors.append(FieldError("tags", f"A subscription holds at most {MAX_TAGS} tags."))
    if len(attributes or ()) > MAX_ATTRIBUTES:
        errors.append(FieldError("attributes", f"A subscription holds at most {MAX_ATTRIBUTES} attributes."))
    return errors


def signature_fits(identity_key: bytes, external_id: str, signature: str) -> bool:
    """Whether `signature` is HMAC-SHA256(identity_key, external_id), in hex or base64url, padded or not."""
    expected = hmac.digest(identity_key, external_id.encode(), "sha256")
    try:
        given = (
            bytes.fromhex(signature)
            if len(signature) == 2 * len(expected)
            else base64.b64decode(signature.rstrip("=") + "=", altchars=b"-_", validate=True)
        )
    except (ValueError, binascii.Error):
        return False
    return hmac.compare_digest(expected, given)


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones()) - _NO_PLACES
