"""A site's pictures: uploaded, listed, deleted."""

from collections.abc import Sequence
from hashlib import sha256

from gateway import audit
from gateway.context import Context
from gateway.errors import Conflict
from gateway.images.workshop import Picture, Purpose
from storage import audit as stored_audit
from storage import images, sites
from storage.database import Transaction
from storage.errors import Conflict as AlreadyStored
from storage.ids import Kind, encode_id
from storage.images import Image

MOST = 1_000  # of a site
MOST_BYTES = 10_000_000  # of what is uploaded


async def add_image(
    context: Context, actor: str, site_id: int, purpose: Purpose, picture: Picture, original_size: int
) -> tuple[Image, bool]:
    """The image, and whether it is new: a site has the same picture once for each purpose.

    Conflict: the site has MOST; storage.errors.NotFound.
    """
    now = context.clock.now()
    image = Image(
        id=context.ids.next(),
        site_id=site_id,
        purpose=purpose.value,
        width=picture.width,
        height=picture.height,
        webp_hash=None if picture.webp is None else sha256(picture.webp).digest(),
        webp_size=len(picture.webp or b""),
        png_hash=sha256(picture.png).digest(),
        png_size=len(picture.png),
        original_size=original_size,
        created_at=now,
    )
    detail = {"purpose": purpose.value, "bytes": original_size}
    note = audit.entry(context, actor, "image.uploaded", encode_id(Kind.IMAGE, image.id), site_id, detail)

    async def body(tx: Transaction) -> tuple[Image, bool]:
        await sites.get(tx, site_id)
        if found := await images.find(tx, site_id, image.purpose, image.png_hash):
            return found, False
        if await images.count(tx, site_id) >= MOST:
            raise Conflict(f"The site has {MOST} pictures: delete one first.")
        await images.add(tx, image, picture.webp, picture.png)
        await stored_audit.add(tx, note)
        return image, True

    try:
        return await context.database.write(body)
    except AlreadyStored:  # by another request at the same moment
        return await context.database.write(body)


async def get_image(context: Context, site_id: int, image_id: int) -> Image:
    async def body(tx: Transaction) -> Image:
        await sites.get(tx, site_id)
        return await images.get(tx, site_id, image_id)

    return await context.database.read(body)


async def page_of_images(
    context: Context, site_id: int, before_id: int | None, limit: int
) -> Sequence[Image]:
    """The newest first."""

    async def body(tx: Transaction) -> Sequence[Image]:
        await sites.get(tx, site_id)
        return await images.page(tx, site_id, before_id, limit)

    return await context.database.read(body)


async def delete_image(context: Context, actor: str, site_id: int, image_id: int) -> Image:
    """What it was. Messages that name its address are shown without a picture from then on."""
    note = audit.entry(context, actor, "image.deleted", encode_id(Kind.IMAGE, image_id), site_id)

    async def body(tx: Transaction) -> Image:
        await sites.get(tx, site_id)
        image = await images.get(tx, site_id, image_id)
        await images.delete(tx, site_id, image_id)
        await stored_audit.add(tx, note)
        return image

    return await context.database.write(body)


def file_names(image: Image) -> list[str]:
    """As `Shelf` and the addresses have them: WebP first, where there is one."""
    webp = [] if image.webp_hash is None else [f"{image.webp_hash.hex()}.webp"]
    return [*webp, f"{image.png_hash.hex()}.png"]
