"""A server behind our accept loop, at a low limit: `python -m tests.unit.openfiles_server LOOP LIMIT`.

Prints its port, then, when its standard input ends, its counts as JSON.
"""

import asyncio
import json
import resource
import sys
from dataclasses import asdict

import uvloop
from aiohttp import web

from gateway.openfiles import Acceptor, derive_budget, listen, open_files, raise_limit


async def answer(request: web.BaseRequest) -> web.StreamResponse:
    if request.path == "/slow":
        await asyncio.sleep(0.2)
    return web.Response(text="here")


async def serve(limit: int) -> None:
    loop = asyncio.get_running_loop()
    server = web.Server(answer, access_log=None)
    listeners = listen("127.0.0.1", 0)
    acceptor = Acceptor(listeners, server, derive_budget(limit, serves=True).inbound)
    accepting = asyncio.create_task(acceptor.run())
    print(listeners[0].getsockname()[1], flush=True)
    most = 0
    told_to_stop = loop.run_in_executor(None, sys.stdin.read)
    while not told_to_stop.done():
        most = max(most, open_files(limit))
        await asyncio.sleep(0.005)
    accepting.cancel()
    await asyncio.wait([accepting])
    await server.shutdown(1)
    print(json.dumps(asdict(acceptor.counts) | {"most_open_files": most}))


if __name__ == "__main__":
    limit = int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit // 2, limit))
    assert raise_limit() == limit
    if sys.argv[1] == "uvloop":
        uvloop.run(serve(limit))
    else:
        asyncio.run(serve(limit))
