"""Pictures as notifications show them, by site; their bytes by what is in them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from storage.database import Row, Transaction
from storage.errors import NotFound
from storage.ids import MAX_ID
from storage.queries import load

_SQL = load("images")


@dataclass(frozen=True, slots=True)
class Image:
    """Everything but the bytes. Hashes are SHA-256 of the files, sizes their bytes."""

    id: int
    site_id: int
    purpose: str
    width: int
    height: int
    webp_hash: bytes | None
    webp_size: int  # 0: there is no WebP
    png_hash: bytes
    png_size: int
    original_size: int
    created_at: int


async def add(tx: Transaction, image: Image, webp: bytes | None, png: bytes) -> None:
    """Raises Conflict when the site has the same picture for the same purpose, NotFound without its site."""
    await tx.execute(
        _SQL["add"],
        image.id,
        image.site_id,
        image.purpose,
        image.width,
        image.height,
        image.webp_hash,
        image.webp_size,
        image.png_hash,
        image.png_size,
        image.original_size,
        image.created_at,
        webp,
        png,
    )


async def get(tx: Transaction, site_id: int, id: int) -> Image:
    """Raises NotFound."""
    row = await tx.fetch_one(_SQL["get"], site_id, id)
    if row is None:
        raise NotFound(f"image {id}")
    return _image(row)


async def find(tx: Transaction, site_id: int, purpose: str, png_hash: bytes) -> Image | None:
    """The one that the site has of this picture for this purpose."""
    row = await tx.fetch_one(_SQL["find"], site_id, purpose, png_hash)
    return None if row is None else _image(row)


async def page(tx: Transaction, site_id: int, before: int | None, limit: int) -> Sequence[Image]:
    """The newest first, from the one before `before`."""
    rows = await tx.fetch(_SQL["page"], site_id, MAX_ID if before is None else before, limit)
    return [_image(row) for row in rows]


async def delete(tx: Transaction, site_id: int, id: int) -> None:
    """Raises NotFound."""
    if not await tx.execute(_SQL["delete"], site_id, id):
        raise NotFound(f"image {id}")


async def count(tx: Transaction, site_id: int) -> int:
    """How many the site has."""
    row = await tx.fetch_one(_SQL["count"], site_id)
    return 0 if row is None else int(row[0])


async def content(tx: Transaction, hash: bytes, *, webp: bool) -> bytes | None:
    """The file with this SHA-256, of whatever site."""
    row = await tx.fetch_one(_SQL["webp"] if webp else _SQL["png"], hash)
    return None if row is None else bytes(row[0])


async def known(tx: Transaction, hashes: Collection[bytes]) -> frozenset[bytes]:
    """Those that are a file of any site."""
    return frozenset(bytes(row[0]) for row in await tx.fetch(_SQL["known"], list(hashes)))


def _image(row: Row) -> Image:
    id, site_id, purpose, width, height, webp_hash, webp_size, png_hash, *rest = row
    webp_hash = None if webp_hash is None else bytes(webp_hash)
    return Image(id, site_id, purpose, width, height, webp_hash, webp_size, bytes(png_hash), *rest)
