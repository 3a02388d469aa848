"""As much of D-Bus as a notification daemon needs (D-Bus specification, "Message Protocol"), little-endian.

A library would be one more dependency for two method calls and two signals.
"""

import asyncio
import os
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

METHOD_CALL, METHOD_RETURN, ERROR, SIGNAL = 1, 2, 3, 4
_NO_REPLY = 1
_NUMBERS = {
    "y": "B",
    "b": "I",
    "n": "h",
    "q": "H",
    "i": "i",
    "u": "I",
    "x": "q",
    "t": "Q",
    "d": "d",
    "h": "I",
}
_ALIGNMENT = {"(": 8, "{": 8, "s": 4, "o": 4, "a": 4, "g": 1, "v": 1}
_PATH, _INTERFACE, _MEMBER, _ERROR_NAME, _REPLY_SERIAL, _DESTINATION, _SENDER, _SIGNATURE = range(1, 9)
_FIELD_TYPES = dict(zip(range(1, 9), "osssussg", strict=True))


@dataclass(frozen=True, slots=True)
class Message:
    """`fields` are header fields by number; `body` holds one value per complete type of the signature."""

    kind: int
    fields: dict[int, Any] = field(default_factory=dict)
    body: tuple[Any, ...] = ()
    serial: int = 0
    flags: int = 0

    @property
    def member(self) -> str:
        return str(self.fields.get(_MEMBER, ""))

    @property
    def wants_reply(self) -> bool:
        return self.kind == METHOD_CALL and not self.flags & _NO_REPLY


class Bus:
    """A connection to a session bus."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._serial = 0

    @classmethod
    async def connect(cls, path: Path) -> "Bus":
        """Authenticate as this user (EXTERNAL) and say hello."""
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\n")
        answer = await reader.readline()
        if not answer.startswith(b"OK "):
            writer.close()
            raise ConnectionRefusedError(answer.decode())
        writer.write(b"BEGIN\r\n")
        bus = cls(reader, writer)
        await bus._call_bus("Hello", "", ())
        return bus

    async def own(self, name: str) -> None:
        """Take a well-known name; the answer 1 means that it is ours."""
        answer = await self._call_bus("RequestName", "su", (name, 0))
        assert answer.body == (1,), answer

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()

    def reply(self, call: Message, signature: str, *values: Any) -> None:
        head = {_REPLY_SERIAL: call.serial, _DESTINATION: call.fields[_SENDER]}
        self._send(METHOD_RETURN, head, signature, values)

    def refuse(self, call: Message) -> None:
        head = {
            _REPLY_SERIAL: call.serial,
            _DESTINATION: call.fields[_SENDER],
            _ERROR_NAME: "org.freedesktop.DBus.Error.UnknownMethod",
        }
        self._send(ERROR, head, "s", (f"no method {call.member}",))

    def signal(self, path: str, interface: str, member: str, signature: str, *values: Any) -> None:
        self._send(SIGNAL, {_PATH: path, _INTERFACE: interface, _MEMBER: member}, signature, values)

    async def receive(self) -> Message:
        """The next message; IncompleteReadError when the bus is gone."""
        head = await self._reader.readexactly(16)
        _, kind, flags, _, body_size, serial, fields_size = struct.unpack("<4B3I", head)
        padded = fields_size + -fields_size % 8
        rest = await self._reader.readexactly(padded + body_size)
        # Alignment counts from the start of the message: the field array's content begins at 16.
        fields = _Decoder(rest[:fields_size]).fields()
        body = tuple(_Decoder(rest[padded:]).values(fields.get(_SIGNATURE, "")))
        return Message(kind, fields, body, serial, flags)

    async def _call_bus(self, member: str, signature: str, values: tuple[Any, ...]) -> Message:
        name = "org.freedesktop.DBus"
        head = {_PATH: "/org/freedesktop/DBus", _INTERFACE: name, _MEMBER: member, _DESTINATION: name}
        serial = self._send(METHOD_CALL, head, signature, values)
        while True:
            message = await self.receive()
            if message.fields.get(_REPLY_SERIAL) == serial:
                assert message.kind == METHOD_RETURN, message
                return message

    def _send(self, kind: int, fields: dict[int, Any], signature: str, values: tuple[Any, ...]) -> int:
        self._serial += 1
        body = _Encoder()
        for type_, value in zip(_split(signature), values, strict=True):
            body.put(type_, value)
        if signature:
            fields = fields | {_SIGNATURE: signature}
        head = _Encoder()
        for code, value in fields.items():
            head.align(8)
            head.put("y", code)
            head.put("v", (_FIELD_TYPES[code], value))
        size = len(head.out)
        head.align(8)
        start = struct.pack("<4B3I", ord("l"), kind, 0, 1, len(body.out), self._serial, size)
        self._writer.write(start + head.out + body.out)
        return self._serial


class _Encoder:
    def __init__(self) -> None:
        self.out = bytearray()

    def align(self, size: int) -> None:
        self.out += bytes(-len(self.out) % size)

    def put(self, type_: str, value: Any) -> None:
        if type_ in _NUMBERS:
            self.align(struct.calcsize(_NUMBERS[type_]))
            self.out += struct.pack("<" + _NUMBERS[type_], value)
        elif type_ in "so":
            raw = value.encode()
            self.put("u", len(raw))
            self.out += raw + b"\0"
        elif type_ == "g":
            self.out += bytes([len(value)]) + value.encode() + b"\0"
        elif type_ == "v":
            self.put("g", value[0])
            self.put(*value)
        elif type_ == "as":  # the only array that a notification daemon answers with
            strings = _Encoder()
            for item in value:
                strings.align(4)
                strings.put("s", item)
            self.put("u", len(strings.out))
            self.out += strings.out
        else:
            raise NotImplementedError(type_)


class _Decoder:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def fields(self) -> dict[int, Any]:
        found = {}
        while self._at < len(self._data):
            self._align(8)
            code = self.value("y")
            found[code] = self.value("v")
        return found

    def values(self, signature: str) -> list[Any]:
        return [self.value(type_) for type_ in _split(signature)]

    def value(self, type_: str) -> Any:
        kind = type_[0]
        if kind in _NUMBERS:
            layout = _NUMBERS[kind]
            self._align(struct.calcsize(layout))
            (number,) = struct.unpack("<" + layout, self._take(struct.calcsize(layout)))
            return number
        self._align(_ALIGNMENT[kind])
        if kind in "so":
            return self._take(self.value("u") + 1)[:-1].decode()
        if kind == "g":
            return self._take(self.value("y") + 1)[:-1].decode()
        if kind == "v":
            return self.value(self.value("g"))
        if kind == "a":
            return self._array(type_[1:])
        return tuple(self.values(type_[1:-1]))  # a struct or a dictionary entry

    def _array(self, item: str) -> Any:
        size = self.value("u")
        if item == "y":  # pixels: a million of them must not become a list
            return self._take(size)
        self._align(struct.calcsize(_NUMBERS[item]) if item in _NUMBERS else _ALIGNMENT[item[0]])
        end = self._at + size
        items = []
        while self._at < end:
            items.append(self.value(item))
        return dict(items) if item[0] == "{" else items

    def _align(self, size: int) -> None:
        self._at += -self._at % size

    def _take(self, size: int) -> bytes:
        self._at += size
        return self._data[self._at - size : self._at]


def _split(signature: str) -> list[str]:
    """The complete types of a signature: "ia{sv}" is ["i", "a{sv}"]."""
    types, start, depth = [], 0, 0
    for position, letter in enumerate(signature):
        depth += (letter in "({") - (letter in ")}")
        if depth == 0 and letter != "a":
            types.append(signature[start : position + 1])
            start = position + 1
    return types
