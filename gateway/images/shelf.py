"""The files that browsers load, at hand: some in memory, all of those asked for on the disk.

The database has them all (storage.images); `images/` in the data directory may be emptied at any time. No
file stays open while a slow visitor loads it: those are counted (gateway.openfiles), and a blast brings
thousands.
"""

import asyncio
import os
from collections import OrderedDict
from hashlib import sha256
from pathlib import Path
from tempfile import mkstemp
from typing import Final

from gateway.errors import NotFound
from gateway.logs import Log
from storage import images
from storage.database import Database

MOST_IN_MEMORY: Final = 16_000_000  # bytes
TIDIED_AT_ONCE: Final = 500

log = Log(__name__)


class Shelf:
    """That of one process; the directory is shared by all of a machine."""

    def __init__(self, directory: Path, database: Database, most_in_memory: int = MOST_IN_MEMORY) -> None:
        self._directory = directory
        self._database = database
        self._most = most_in_memory
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._size = 0

    async def get(self, name: str) -> bytes:
        """The content of `<sha256 in hex>.webp` or `.png`. NotFound."""
        kept = self._kept.get(name)
        if kept is None:
            kept = await asyncio.to_thread(self._read, name)
            if kept is None:
                kept = await self._fetch(name)
            self._keep(name, kept)
        else:
            self._kept.move_to_end(name)
        return kept

    async def forget(self, names: list[str]) -> None:
        """Unless another site has the same."""
        hashes = {bytes.fromhex(Path(name).stem): name for name in names}
        known = await self._database.read(lambda tx: images.known(tx, hashes.keys()))
        gone = [name for hash, name in hashes.items() if hash not in known]
        for name in gone:
            self._size -= len(self._kept.pop(name, b""))
        await asyncio.to_thread(self._remove, gone)

    async def tidy(self) -> None:
        """Remove what another machine has deleted, or went with its site."""
        names = await asyncio.to_thread(self._names)
        names += [name for name in self._kept if name not in set(names)]
        for start in range(0, len(names), TIDIED_AT_ONCE):
            await self.forget(names[start : start + TIDIED_AT_ONCE])

    async def _fetch(self, name: str) -> bytes:
        hash, webp = bytes.fromhex(Path(name).stem), name.endswith(".webp")
        content = await self._database.read(lambda tx: images.content(tx, hash, webp=webp))
        if content is None:
            raise NotFound("There is no such picture.")
        await asyncio.to_thread(self._write, name, content)
        return content

    def _keep(self, name: str, content: bytes) -> None:
        self._size += len(content) - len(self._kept.get(name, b""))
        self._kept[name] = content
        while self._size > self._most and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self._size -= len(dropped)

    def _read(self, name: str) -> bytes | None:
        """What was cut off by a full disk, or changed, is not believed."""
        try:
            content = (self._directory / name).read_bytes()
        except OSError:
            return None
        return content if sha256(content).hexdigest() == Path(name).stem else None

    def _write(self, name: str, content: bytes) -> None:
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            handle, temporary = mkstemp(dir=self._directory, prefix=".")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
                Path(temporary).replace(self._directory / name)
            except OSError:
                Path(temporary).unlink(missing_ok=True)
                raise
        except OSError as exc:
            log.warning("image.not_cached", hint="Is the disk full, or read-only?", cause=exc)

    def _remove(self, names: list[str]) -> None:
        for name in names:
            (self._directory / name).unlink(missing_ok=True)

    def _names(self) -> list[str]:
        if not self._directory.is_dir():
            return []
        return [each.name for each in self._directory.iterdir() if is_file_name(each.name)]


def is_file_name(name: str) -> bool:
    """`<sha256 in lower-case hex>.webp` or `.png`."""
    stem, _, kind = name.partition(".")
    return len(stem) == 64 and kind in ("webp", "png") and not set(stem) - set("0123456789abcdef")
