"""The filters of Liquid that messages may use: each in bounded time and memory."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from liquid import Environment
from liquid.exceptions import FilterArgumentError, OutputStreamLimitError
from liquid.stringify import to_liquid_string
from msgspec import json

MOST_TEXT: Final = 4_096  # characters that a filter may make of its value: more than a push can carry

LARGEST: Final = 10**15  # of what is calculated: beyond, floats are no exact numbers any more

_ARITHMETIC: Final = "divided_by minus modulo plus times"
_OF_THE_LIBRARY: Final = (
    "abs at_least at_most ceil floor round "
    "append capitalize downcase lstrip prepend remove remove_first rstrip slice split squish strip "
    "truncate truncatewords upcase default first last map reverse size sort where"
)


class Encoded(str):
    """Percent-encoded by the template's author already."""

    __slots__ = ()


def text_of(value: object) -> str:
    """What `{{ … }}` puts in; JSON where the value is an object."""
    if isinstance(value, dict):
        return json.encode(value).decode()
    if isinstance(value, list):
        return "".join(each if isinstance(each, str) else text_of(each) for each in value)
    return to_liquid_string(value, autoescape=False)


def size_of(value: object) -> int:
    """How much a filter has to go through, in characters, about."""
    kind = type(value)  # `isinstance` would ask the value itself, and one that is not there answers nothing
    if issubclass(kind, str):
        return len(value)  # type: ignore[arg-type]
    return len(_encode(value)) if issubclass(kind, list | dict) else 1


_encode: Final = json.Encoder(enc_hook=lambda _: None).encode  # of a list with gaps, too


def _date(value: object, pattern: object = "%Y-%m-%d") -> str:
    """An RFC 3339 time as it is written, or seconds since the epoch in UTC."""
    if not isinstance(value, str | int | float) or isinstance(value, bool) or value == "":
        return ""
    try:
        seconds = None if isinstance(value, str) else value
        when = datetime.fromisoformat(str(value)) if seconds is None else datetime.fromtimestamp(seconds, UTC)
        return when.strftime(str(pattern))
    except (ValueError, OverflowError, OSError) as exc:
        raise FilterArgumentError("date expects an RFC 3339 time", token=None) from exc


def _replace(value: object, wanted: object, by: object = "") -> str:
    text, old, new = text_of(value), text_of(wanted), text_of(by)
    _limit(len(text) + text.count(old) * max(0, len(new) - len(old)))
    return text.replace(old, new)


def _join(value: object, by: object = " ") -> str:
    texts = [text_of(each) for each in value] if isinstance(value, list) else [text_of(value)]
    separator = text_of(by)
    _limit(sum(map(len, texts)) + len(separator) * len(texts))
    return separator.join(texts)


def _limit(length: int) -> None:
    """Before it is made: a chain of these multiplies, and memory would go before any output was counted."""
    if length > MOST_TEXT:
        raise OutputStreamLimitError("a value grows too large", token=None)


def _url_encode(value: object) -> str:
    return Encoded(quote(text_of(value), safe=""))


def _bounded(arithmetic: Callable[..., Any]) -> Callable[..., Any]:
    """A chain of `times` squares: a number of a million digits would take a minute."""

    def calculated(value: object, by: object) -> Any:
        result = arithmetic(value, by)
        if abs(result) > LARGEST:
            raise OutputStreamLimitError("a number grows too large", token=None)
        return result

    return calculated


_library = Environment().filters
FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    **{name: _library[name] for name in _OF_THE_LIBRARY.split()},
    **{name: _bounded(_library[name]) for name in _ARITHMETIC.split()},
    "date": _date,
    "replace": _replace,
    "join": _join,
    "url_encode": _url_encode,
}
