"""As much of protocol buffers' wire format as Google's check-in and MCS need (protobuf.dev, "Encoding")."""

import asyncio
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fixed64:
    """An integer written as eight bytes instead of as a varint."""

    value: int


Value = int | str | bytes | Fixed64
Fields = dict[int, list[int | bytes]]
"""Field number → its values in order. Nested messages and strings are bytes."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def encode(*fields: tuple[int, Value]) -> bytes:
    """A message from (number, value) pairs, in the order given."""
    out = bytearray()
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3 | _VARINT) + varint(value)
        elif isinstance(value, Fixed64):
            out += varint(number << 3 | _FIXED64) + value.value.to_bytes(8, "little")
        else:
            raw = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | _BYTES) + varint(len(raw)) + raw
    return bytes(out)


def decode(data: bytes) -> Fields:
    """The fields of a message; ValueError when it is cut short or holds a group."""
    fields: Fields = {}
    position = 0
    while position < len(data):
        key, position = _read_varint(data, position)
        kind = key & 7
        value: int | bytes
        if kind == _VARINT:
            value, position = _read_varint(data, position)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
            value, position = int.from_bytes(data[position : position + size], "little"), position + size
        elif kind == _BYTES:
            size, position = _read_varint(data, position)
            value, position = data[position : position + size], position + size
        else:
            raise ValueError(f"wire type {kind}")
        if position > len(data):
            raise ValueError("cut short")
        fields.setdefault(key >> 3, []).append(value)
    return fields


def number(fields: Fields, field: int) -> int:
    """The last value of an integer field; 0 when it is missing, as protobuf has it."""
    value = fields.get(field, [0])[-1]
    assert isinstance(value, int)
    return value


def texts(fields: Fields, field: int) -> list[str]:
    """All values of a string field."""
    return [value.decode() for value in fields.get(field, []) if isinstance(value, bytes)]


def varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


async def read_varint(reader: asyncio.StreamReader) -> int:
    """A varint from a stream; IncompleteReadError at its end."""
    value = shift = 0
    while True:
        byte = (await reader.readexactly(1))[0]
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(data):
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position
    raise ValueError("cut short")
