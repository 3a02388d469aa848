"""The guarded client of the routes that ask other servers something."""

from collections.abc import AsyncIterator

from aiohttp import web

from gateway.outbound import Outbound

OUTBOUND = web.AppKey("outbound", Outbound)


def add_outbound(app: web.Application, outbound: Outbound) -> None:
    """Closed with the application."""
    app[OUTBOUND] = outbound

    async def close(_: web.Application) -> AsyncIterator[None]:
        yield
        await outbound.close()

    app.cleanup_ctx.append(close)
