"""UTM parameters: what a site's analytics are to know of a click, in the link itself."""

from collections.abc import Sequence
from typing import Annotated
from urllib.parse import quote

from msgspec import Meta, Struct
from msgspec.structs import asdict

from gateway.subscription_fields import PRINTABLE

_Value = Annotated[str, Meta(min_length=1, max_length=200, pattern=PRINTABLE)]
Pairs = Sequence[tuple[str, str]]  # name and `name=value`, encoded


class Utm(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Appended to links that are opened by a click: `source` as `utm_source` and so on."""

    source: _Value | None = None
    medium: _Value | None = None
    campaign: _Value | None = None
    term: _Value | None = None
    content: _Value | None = None


def merge_utm(site: Utm | None, message: Utm | None) -> Utm | None:
    """The message's parameters, and the site's where the message has none of its own."""
    if site is None or message is None:
        return message or site
    given = {name: value for name, value in asdict(message).items() if value is not None}
    return Utm(**{**asdict(site), **given})


def utm_pairs(utm: Utm | None) -> Pairs:
    """Made once for a message, for `add_utm`."""
    if utm is None:
        return ()
    return [
        (f"utm_{name}", f"utm_{name}={quote(value, safe='')}")
        for name, value in asdict(utm).items()
        if value is not None
    ]


def add_utm(url: str, pairs: Pairs) -> str:
    """The URL (http or https) with the parameters that it does not have itself; its fragment stays last."""
    address, hash_sign, fragment = url.partition("#")
    path, mark, query = address.partition("?")
    known = {each.partition("=")[0] for each in query.split("&")}
    added = [pair for name, pair in pairs if name not in known]
    if not added:
        return url
    query = "&".join([query.rstrip("&"), *added] if query.rstrip("&") else added)
    return f"{path}{mark or '?'}{query}{hash_sign}{fragment}"
