"""Callers who begin a body and never end it: answered, and their connection closed."""

import asyncio
import json

import pytest

from gateway.api import body
from tests.api.conftest import ADMIN_TOKEN, Api


async def send_slowly(api: Api, path: str, content_type: str, *pieces: bytes) -> tuple[int, str]:
    """Announces a long body, sends the pieces, then nothing. The answer's status and its code."""
    assert api.client.port is not None
    reader, writer = await asyncio.open_connection(api.client.host, api.client.port)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN_TOKEN}\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: 1000\r\n\r\n"
    )
    try:
        writer.write(head.encode())
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0.05)
        answer = await asyncio.wait_for(reader.readuntil(b"}"), 5)
        assert b"connection: close" in answer.lower()
        start, _, text = answer.partition(b"\r\n\r\n")
        return int(start.split()[1]), json.loads(text)["code"]
    finally:
        writer.close()


async def test_a_body_that_does_not_end_is_answered_408(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "WHOLE_BODY_WITHIN", 0.2)
    answer = await send_slowly(api, "/v1/sites", "application/json", b'{"name"')
    assert answer == (408, "request_timeout")


async def test_dripping_bytes_does_not_keep_a_body_alive(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "WHOLE_BODY_WITHIN", 0.2)
    answer = await send_slowly(api, "/v1/public/events", "text/plain", *[b" "] * 10)
    assert answer == (408, "request_timeout")


async def test_an_import_that_stops_coming_keeps_what_it_stored_and_ends(
    api: Api, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "NEXT_PIECE_WITHIN", 0.2)
    monkeypatch.setattr(body, "WHOLE_BODY_WITHIN", 0.01)  # is not for streams
    path = f"/v1/sites/{site}/subscriptions/import"
    answer = await send_slowly(api, path, "application/x-ndjson", *[b"nonsense\n"] * 8)
    assert answer == (408, "request_timeout")


class Fast:
    """A sender who is always ahead of its reader."""

    def __init__(self, pieces: int) -> None:
        self.left = pieces

    async def readany(self) -> bytes:
        self.left -= 1
        return b"x" if self.left >= 0 else b""


async def test_a_fast_sender_leaves_others_their_turns() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    pieces = [piece async for piece in body.body_pieces(Fast(10))]  # type: ignore[arg-type]
    task.cancel()
    assert len(pieces) == 10
    assert turns >= 10
