"""Fails loudly when a release of aiohttp changes what gateway.openfiles.aiohttp_state looks at."""

import asyncio

from aiohttp import web

from gateway.openfiles.aiohttp_state import (
    begin_answer,
    end_answer,
    heads_parsed,
    is_stopping,
    waits_for_a_request,
)
from tests.eventually import eventually

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def test_a_live_handler_shows_whether_it_waits_and_how_many_heads_came() -> None:
    entered, leave = asyncio.Event(), asyncio.Event()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        entered.set()
        await leave.wait()
        return web.Response(text="done")

    handlers: list[web.RequestHandler] = []
    server = web.Server(answer)

    def remember() -> web.RequestHandler:
        handlers.append(server())
        return handlers[-1]

    listening = await asyncio.get_running_loop().create_server(remember, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
    (handler,) = await eventually(lambda: handlers)
    await eventually(lambda: waits_for_a_request(handler))
    assert heads_parsed(handler) == 0

    handler.data_received(HEAD[:10])
    assert waits_for_a_request(handler)
    assert heads_parsed(handler) == 0

    handler.data_received(HEAD[10:])
    assert not waits_for_a_request(handler)
    assert heads_parsed(handler) == 1
    await entered.wait()
    assert not waits_for_a_request(handler)

    leave.set()
    await reader.readuntil(b"done")
    await eventually(lambda: waits_for_a_request(handler))

    entered.clear()
    writer.write(HEAD)
    await entered.wait()
    assert heads_parsed(handler) == 2

    await reader.readuntil(b"done")

    handler.force_close()
    await eventually(lambda: not waits_for_a_request(handler))
    assert await reader.read() == b""
    writer.close()
    listening.close()
    await server.shutdown(1)


async def test_a_shutdown_waits_for_an_answer_that_is_given_in_the_handlers_place() -> None:
    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response()

    handlers: list[web.RequestHandler] = []
    server = web.Server(answer)

    def remember() -> web.RequestHandler:
        handlers.append(server())
        return handlers[-1]

    listening = await asyncio.get_running_loop().create_server(remember, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
    (handler,) = await eventually(lambda: handlers)
    await eventually(lambda: waits_for_a_request(handler))
    assert not is_stopping(handler)
    begin_answer(handler)
    stopping = asyncio.create_task(server.shutdown(1))
    await eventually(lambda: is_stopping(handler))
    assert not stopping.done()
    end_answer(handler)
    await stopping
    assert await reader.read() == b""
    writer.close()
    listening.close()
