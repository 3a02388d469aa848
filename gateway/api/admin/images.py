"""`/v1/sites/{site}/images`: pictures that are made to fit notifications."""

from typing import Annotated, Any

import aiohttp
from msgspec import Meta, Struct

from gateway import audit
from gateway.api.body import body_pieces
from gateway.api.images import SHELF, WORKSHOP
from gateway.api.moments import Moment, to_moment
from gateway.api.paging import Page, PageQuery, page_of, read_cursor
from gateway.api.route import Call, Reply, route
from gateway.errors import Conflict, TooLarge, TooManyRequests
from gateway.images import pictures
from gateway.images.workshop import Purpose
from storage import images as stored
from storage.ids import Kind, encode_id
from storage.tokens import Scope

_PATH = "/v1/sites/{site}/images"
_TYPES = ("image/png", "image/jpeg", "image/webp", "image/gif")


class ForWhat(Struct, forbid_unknown_fields=True, frozen=True):
    purpose: Annotated[
        Purpose, Meta(description="icon: 192 pixels square; badge: 96, one colour; image: two to one.")
    ]


class Image(Struct, frozen=True):
    id: str
    purpose: Purpose
    url: Annotated[str, Meta(description="WebP; of a badge the PNG, of which platforms take the alpha.")]
    fallback_url: Annotated[str, Meta(description="PNG, of at most 256 colours.")]
    width: int
    height: int
    bytes: Annotated[int, Meta(description="Of what `url` answers.")]
    original_bytes: int
    created_at: Moment


@route(
    "POST",
    _PATH,
    "Upload a picture for notifications",
    scope=Scope.SEND,
    status=201,
    errors=(TooLarge, Conflict, TooManyRequests),
    takes=_TYPES,
    other_statuses=(200,),
)
async def upload_image(call: Call[aiohttp.StreamReader, ForWhat]) -> Reply[Image]:
    """The body is the picture, at most 10 MB and 40 megapixels. It is cut and made smaller, its metadata

    goes, and of what moves the first frame stays. The same picture again answers 200 and the same image.
    """
    raw = await _whole(call.body)
    picture = await call.request.app[WORKSHOP].draw(call.query.purpose, raw)
    actor = audit.actor(call.token)
    image, is_new = await pictures.add_image(
        call.context, actor, call.site_id, call.query.purpose, picture, len(raw)
    )
    return Reply(_show(call, image), status=201 if is_new else 200)


@route("GET", _PATH, "List pictures", scope=Scope.READ)
async def list_images(call: Call[None, PageQuery]) -> Page[Image]:
    """The newest first."""
    limit = call.query.limit
    before_id = read_cursor(call.query.cursor)
    found = await pictures.page_of_images(call.context, call.site_id, before_id, limit + 1)
    return page_of([_show(call, each) for each in found], [each.id for each in found], limit)


@route("GET", f"{_PATH}/{{image}}", "Show a picture", scope=Scope.READ)
async def show_image(call: Call[None, None]) -> Image:
    image = await pictures.get_image(call.context, call.site_id, call.id_of(Kind.IMAGE))
    return _show(call, image)


@route("DELETE", f"{_PATH}/{{image}}", "Delete a picture", scope=Scope.SEND)
async def delete_image(call: Call[None, None]) -> None:
    """Notifications that name it are shown without it, but where a browser or a proxy has kept it."""
    actor, id = audit.actor(call.token), call.id_of(Kind.IMAGE)
    image = await pictures.delete_image(call.context, actor, call.site_id, id)
    await call.request.app[SHELF].forget(pictures.file_names(image))


async def _whole(body: aiohttp.StreamReader) -> bytes:
    """TooLarge as soon as more has come than a picture may have."""
    taken = bytearray()
    async for piece in body_pieces(body):
        taken += piece
        if len(taken) > pictures.MOST_BYTES:
            raise TooLarge(f"A picture has at most {pictures.MOST_BYTES // 1_000_000} MB.")
    return bytes(taken)


def _show(call: Call[Any, Any], image: stored.Image) -> Image:
    folder = f"{call.context.settings.public_url}/i/"
    url, *others = (folder + name for name in pictures.file_names(image))
    return Image(
        id=encode_id(Kind.IMAGE, image.id),
        purpose=Purpose(image.purpose),
        url=url,
        fallback_url=others[0] if others else url,
        width=image.width,
        height=image.height,
        bytes=image.webp_size or image.png_size,
        original_bytes=image.original_size,
        created_at=to_moment(image.created_at),
    )


ROUTES = (upload_image, list_images, show_image, delete_image)
