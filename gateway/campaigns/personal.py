"""A notification that says something else to each recipient: compiled once, rendered for each.

Every text is rendered by itself and then written as JSON, so no value can break out of its place; a URL's
values are percent-encoded where they are put in. What renders to nothing is left out, except where a
notification cannot do without: then nothing is sent, never half of it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from liquid.exceptions import LiquidInterrupt, ResourceLimitError
from msgspec import json, to_builtins
from msgspec.structs import replace

from gateway.campaigns.liquid import ParseText, Reading, Text, parse_text
from gateway.campaigns.utm import Pairs, add_utm
from gateway.content import Notification, PartialNotification, holds_liquid, is_http_url

URLS: Final = frozenset({"url", "icon", "image", "badge"})

_NEEDED: Final = frozenset({"title", "action"})
_encode = json.Encoder().encode
_decode_attributes = json.Decoder(dict[str, Any]).decode


class RenderFailed(Exception):
    """One recipient's texts cannot be made. `path` is the field's; `endless`: it would do too much work."""

    def __init__(self, path: str, why: str, *, endless: bool = False) -> None:
        super().__init__(f"{path}: {why}")
        self.path = path
        self.why = why
        self.endless = endless


class Person(NamedTuple):
    """What is known of a recipient, as templates name it."""

    attributes: str | None = None  # JSON
    external_id: str | None = None
    language: str | None = None
    recipient: Mapping[str, Any] | None = None  # what the audience says of them


def texts_of(part: Notification | PartialNotification) -> Iterator[tuple[str, str, str]]:
    """(path, name of the field, text) of every text that may be a template."""
    for name, value in to_builtins(part).items():
        yield from _texts(value, name, name)


def _texts(value: object, path: str, name: str) -> Iterator[tuple[str, str, str]]:
    if isinstance(value, str):
        yield path, name, value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _texts(each, f"{path}.{key}", "data" if name == "data" else key)
    elif isinstance(value, list | tuple):
        for index, each in enumerate(value):
            yield from _texts(each, f"{path}[{index}]", name)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a text stands: after `before`, which goes with it when it may be left out and is empty."""

    path: str
    text: Text
    before: bytes
    is_needed: bool
    is_url: bool
    utm: Pairs


class PersonalNotification:
    """Compiled. TemplateError when a text is none that `parse_text` takes."""

    def __init__(self, notification: Notification, utm: Pairs = (), *, parse: ParseText = parse_text) -> None:
        self._utm = utm
        self._parse = parse
        self._parts: list[bytes | _Place] = []
        self._literal = b""
        self._data = notification.data
        self._data_texts = {
            path: parse(text) for path, _, text in _texts(self._data, "data", "data") if holds_liquid(text)
        }
        self._object(to_builtins(replace(notification, data={})), "")
        self._parts.append(self._literal[:-1])  # left open for the data
        self._plain_data = b',"data":%b}' % _encode(self._data) if self._data else b"}"

    def render(self, person: Person) -> bytes:
        """The notification's JSON for one recipient. RenderFailed, and nothing else."""
        path = "attributes"
        try:
            reading = Reading(
                {
                    "attributes": _decode_attributes(person.attributes) if person.attributes else {},
                    "external_id": person.external_id,
                    "language": person.language,
                    "data": self._data,
                    "recipient": person.recipient or {},
                }
            )
            made: list[bytes] = []
            for part in self._parts:
                if isinstance(part, bytes):
                    made.append(part)
                else:
                    path = part.path
                    made.append(_fill(part, reading))
            path = "data"
            made.append(self._render_data(person, reading))
        except RenderFailed:
            raise
        except (ResourceLimitError, LiquidInterrupt) as exc:
            raise RenderFailed(path, type(exc).__name__, endless=True) from exc
        except Exception as exc:  # a filter and a value that it was not meant for: Python's own errors too
            raise RenderFailed(path, type(exc).__name__) from exc
        return b"".join(made)

    def _render_data(self, person: Person, reading: Reading) -> bytes:
        if not self._data_texts and not person.recipient:
            return self._plain_data
        data = self._data
        if self._data_texts:
            data = self._rendered(data, "data", reading)
        return b',"data":%b}' % _encode({**data, **(person.recipient or {})})

    def _rendered(self, value: Any, path: str, reading: Reading) -> Any:
        if isinstance(value, str):
            text = self._data_texts.get(path)
            return value if text is None else text.render(reading)
        if isinstance(value, dict):
            return {key: self._rendered(each, f"{path}.{key}", reading) for key, each in value.items()}
        if isinstance(value, list):
            return [self._rendered(each, f"{path}[{index}]", reading) for index, each in enumerate(value)]
        return value

    def _object(self, fields: Mapping[str, Any], path: str) -> None:
        """The first field of a notification and of an action is one that is always there: commas fit."""
        self._literal += b"{"
        before = b""
        for name, value in fields.items():
            key = b"%b%b:" % (before, _encode(name))
            if isinstance(value, str) and holds_liquid(value):
                self._place(f"{path}{name}", name, value, key)
            elif name == "actions":
                self._literal += key + b"["
                for index, action in enumerate(value):
                    self._literal += b"," if index else b""
                    self._object(action, f"actions[{index}].")
                self._literal += b"]"
            else:
                self._literal += key + _encode(value)
            before = b","
        self._literal += b"}"

    def _place(self, path: str, name: str, source: str, key: bytes) -> None:
        is_url = name in URLS
        text = self._parse(source, is_url=is_url)
        utm = self._utm if name == "url" else ()
        if self._literal:
            self._parts.append(self._literal)
            self._literal = b""
        self._parts.append(_Place(path, text, key, name in _NEEDED, is_url, utm))


def _fill(place: _Place, reading: Reading) -> bytes:
    rendered = place.text.render(reading)
    if not rendered or rendered.isspace():
        if place.is_needed:
            raise RenderFailed(place.path, "nothing is left of it")
        return b""
    if place.is_url:
        if not is_http_url(rendered):
            raise RenderFailed(place.path, "no http or https URL")
        if place.utm:
            rendered = add_utm(rendered, place.utm)
    return place.before + _encode(rendered)
