"""A list of any length as lines of JSON (NDJSON) or CSV, written as fast as the caller reads."""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import hdrs, web

from gateway.logs import Log
from gateway.subscription_lines import CONTENT_TYPE

_STALLED = 60  # seconds that a reader may take for a page of some hundred lines

log = Log(__name__)


async def stream_lines(
    request: web.Request,
    pages: AsyncIterator[bytes],
    name: str,
    site_id: int,
    content_type: str = CONTENT_TYPE,
) -> web.StreamResponse:
    """Answer with all pages, as a file called `name`. What fails after the head breaks the connection off."""
    headers = {
        hdrs.CONTENT_TYPE: content_type,
        hdrs.CACHE_CONTROL: "no-store",
        hdrs.CONTENT_DISPOSITION: f'attachment; filename="{name}"',
    }
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    if request.method == hdrs.METH_HEAD:
        return response
    try:
        async for page in pages:
            async with asyncio.timeout(_STALLED):
                await response.write(page)
    except Exception as exc:
        # The head is out. Only a broken connection can still tell the reader that this is not all.
        log.error("export.broken", site_id=site_id, cause=exc)
        if request.transport is not None:
            request.transport.abort()
    return response
