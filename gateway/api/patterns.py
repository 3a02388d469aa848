"""What is wrong with a text that does not fit its pattern: people need not read regular expressions."""

from collections.abc import Mapping
from typing import Any, Final, get_args

from msgspec import Meta

from gateway.campaigns.categories import CategoryName
from gateway.campaigns.expressions import Within
from gateway.campaigns.local_time import WallTime
from gateway.campaigns.quiet_hours import TimeOfDay
from gateway.content import Topic, Url
from gateway.subscription_fields import PRINTABLE, Language
from gateway.visitor import Country


def _pattern(type: Any) -> str:
    """As msgspec writes it in its errors."""
    return next(repr(meta.pattern) for meta in get_args(type) if isinstance(meta, Meta) and meta.pattern)


SENTENCES: Final[Mapping[str, str]] = {
    repr(PRINTABLE): "Control characters, line breaks among them, have no place here",
    _pattern(Url): "This is no http or https URL, and holds no Liquid that becomes one",
    _pattern(Topic): "A topic consists of letters, digits, `-` and `_`",
    _pattern(Language): "This is no language tag: `de`, `pt-BR`",
    _pattern(CategoryName): "A name consists of small letters, digits, `-` and `_`, and begins with no sign",
    _pattern(Within): "This is a number of minutes, hours or days: `90m`, `12h`, `30d`",
    _pattern(WallTime): "This is a date and a time without a zone: `2026-12-01T09:00`",
    _pattern(TimeOfDay): "This is a time from `00:00` to `23:59`",
    _pattern(Country): "This is a country by two capital letters: `DE`",
}
