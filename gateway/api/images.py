"""`/i/…`: pictures of notifications, as browsers load them when they show one."""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import hdrs, web

from gateway.api.assets import knows
from gateway.api.route import Call, route
from gateway.context import Context
from gateway.errors import NotFound
from gateway.images.shelf import Shelf, is_file_name
from gateway.images.workshop import Workshop
from gateway.logs import Log
from storage.errors import StorageError

SHELF = web.AppKey("shelf", Shelf)
WORKSHOP = web.AppKey("workshop", Workshop)

TIDIED_EVERY = 3_600.0  # seconds

log = Log(__name__)

# The name is the content's hash, so it never changes; and any page may show it.
_HEADERS = {
    hdrs.CACHE_CONTROL: "public, max-age=31536000, immutable",
    "Cross-Origin-Resource-Policy": "cross-origin",
    hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*",
}


@route("GET", "/i/{file}", "A picture of a notification", gives="image/webp", also_gives=("image/png",))
async def picture_file(call: Call[None, None]) -> web.StreamResponse:
    """`{sha256}.webp` or `{sha256}.png`; it may be kept for ever."""
    name = call.request.match_info["file"]
    if not is_file_name(name):
        raise NotFound("There is no such picture.")
    stem, _, kind = name.partition(".")
    headers = {**_HEADERS, hdrs.ETAG: f'"{stem}"'}
    if knows(call.request, headers[hdrs.ETAG]):
        return web.Response(status=304, headers=headers)
    content = await call.request.app[SHELF].get(name)
    return web.Response(body=content, headers=headers, content_type=f"image/{kind}")


ROUTES = (picture_file,)


def add_images(app: web.Application, context: Context) -> None:
    """The shelf and the workshop of this process; the shelf is tidied while the application runs."""
    shelf = app[SHELF] = Shelf(context.settings.data_dir / "images", context.database)
    app[WORKSHOP] = Workshop()

    async def tidy(_: web.Application) -> AsyncIterator[None]:
        tidying = asyncio.create_task(_tidy(shelf), name="images")
        yield
        tidying.cancel()
        await asyncio.gather(tidying, return_exceptions=True)

    app.cleanup_ctx.append(tidy)


async def _tidy(shelf: Shelf) -> None:
    while True:
        try:
            await shelf.tidy()
        except (StorageError, OSError) as exc:
            log.warning("images.not_tidied", cause=exc)
        await asyncio.sleep(TIDIED_EVERY)
