"""From bytes to types: what a request says, or an InvalidRequest that says where it is wrong."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from gateway.api.patterns import SENTENCES
from gateway.api.route import Route
from gateway.errors import FieldError, InvalidRequest, RequestTimeout, TooLarge, UnsupportedMediaType

# aiohttp waits for a body as long as it takes; whoever holds connections open that way would hold them all.
WHOLE_BODY_WITHIN = 30.0  # seconds: 64 kB need 2 kB a second
NEXT_PIECE_WITHIN = 60.0  # seconds between two pieces of a stream, which may be of any length

_PLACE = re.compile(r" - at (?:`key` in )?`([^`]*)`$")
_PATTERN = re.compile(r"Expected `str` matching regex (.*)", re.DOTALL)
_BOUND = re.compile(r"Expected `(\w+)`(?: of length)? (>=|<=|>|<) (\S+)$")
_UNKNOWN_FIELD = re.compile(r"Object contains unknown field `([^`]*)`")
_MISSING_FIELD = re.compile(r"Object missing required field `([^`]*)`")


async def read_body(request: web.Request, limit: int) -> bytes:
    """The whole body. TooLarge as soon as more than `limit` bytes are announced or have come.

    RequestTimeout when it is not complete within WHOLE_BODY_WITHIN.
    """
    if request.content_length is not None and request.content_length > limit:
        raise TooLarge(f"The body has {request.content_length} bytes, this route takes {limit}.")
    if request.content.is_eof() and request.content.exception() is None:
        body = request.content.read_nowait()  # it came with its head: no timer, no turn of the event loop
        _check_length(len(body), limit)
        return body
    chunks = []
    length = 0
    try:
        async with asyncio.timeout(WHOLE_BODY_WITHIN):
            async for chunk in body_pieces(request.content):
                length += len(chunk)
                _check_length(length, limit)
                chunks.append(chunk)
    except TimeoutError as exc:
        raise RequestTimeout(f"The body did not arrive within {WHOLE_BODY_WITHIN:g} seconds.") from exc
    return b"".join(chunks)


def _check_length(length: int, limit: int) -> None:
    if length > limit:  # announced less, or sent in chunks
        raise TooLarge(f"This route takes a body of at most {limit} bytes.")


async def body_pieces(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """A body as it comes in. InvalidRequest: it is broken; RequestTimeout: it stopped coming."""
    try:
        while True:
            async with asyncio.timeout(NEXT_PIECE_WITHIN):
                piece = await content.readany()
            if not piece:
                return
            yield piece
            await asyncio.sleep(0)  # a fast sender would otherwise leave nobody else a turn
    except TimeoutError as exc:
        raise RequestTimeout(f"Nothing came for {NEXT_PIECE_WITHIN:g} seconds.") from exc
    except (HttpProcessingError, web.RequestPayloadError) as exc:
        raise InvalidRequest("The body cannot be read: its encoding is broken.") from exc


def check_content_type(request: web.Request, route: Route) -> None:
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("Send the body as it is, without Content-Encoding.")
    if request.content_type not in route.takes:
        raise UnsupportedMediaType(
            f"This route takes {' or '.join(route.takes)}, not {request.content_type}."
        )
    charset = request.charset
    if charset is not None and charset.lower() not in ("utf-8", "utf8"):
        raise UnsupportedMediaType("JSON comes in UTF-8 (RFC 8259 section 8.1).")


def decode_body(raw: bytes, decoder: "msgspec.json.Decoder[Any]") -> Any:
    """One value of the decoder's type. InvalidRequest for anything else, however deep or broken."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as exc:
        raise InvalidRequest("The body is not what this route takes.", [field_error(exc)]) from exc
    except RecursionError as exc:
        raise InvalidRequest("The body is nested too deeply.") from exc
    except ValueError as exc:  # msgspec.DecodeError and UnicodeDecodeError are ValueErrors
        raise InvalidRequest("The body is not JSON in UTF-8.") from exc


def decode_query(request: web.Request, query: type) -> Any:
    """The query string as a struct whose fields are texts and numbers. A repeated parameter is an error."""
    given = request.query
    values = dict(given)
    if len(values) != len(given):
        raise InvalidRequest("A query parameter is given twice.")
    try:
        return msgspec.convert(values, query, strict=False)
    except msgspec.ValidationError as exc:
        raise InvalidRequest("The query is not what this route takes.", [field_error(exc)]) from exc


def field_error(exc: msgspec.ValidationError) -> FieldError:
    """msgspec writes "Expected `str`, got `int` - at `$.notification.title`"."""
    text = str(exc)
    place = _PLACE.search(text)
    path = place[1].removeprefix("$").removeprefix(".") if place else ""
    message = text[: place.start()] if place else text
    pattern = _PATTERN.match(message)
    if pattern and pattern[1] in SENTENCES:
        return FieldError(path, f"{SENTENCES[pattern[1]]}.")
    bound = _BOUND.match(message)
    if bound:
        return FieldError(path, _say_bound(*bound.groups()))
    named = _UNKNOWN_FIELD.match(message) or _MISSING_FIELD.match(message)
    if named:  # point at the field itself, not at the object around it
        path = f"{path}.{named[1]}" if path else named[1]
    return FieldError(path, f"{message}.")


def _say_bound(kind: str, sign: str, bound: str) -> str:
    """The dashboard shows it to people, who know of no `str`."""
    unit = {"str": "character", "array": "entry", "object": "entry"}.get(kind, "")
    if unit and (sign, bound) == (">=", "1"):
        return "It must not be empty."
    words = {">=": "At least", "<=": "At most", ">": "More than", "<": "Less than"}
    plural = {"character": "characters", "entry": "entries"}.get(unit, "")
    number = bound.removesuffix(".0")
    return f"{words[sign]} {number} {unit if number == '1' else plural}".rstrip() + "."
