"""Where pictures are drawn: a process for each, one after the other."""

import asyncio
import json
import sys
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from gateway.errors import Internal, InvalidRequest, TooManyRequests
from gateway.logs import Log

WITHIN: Final = 10.0  # seconds for one picture
MOST_WAITING: Final = 8  # with the one that is drawn; each holds a picture in memory

REFUSED: Final = 3  # as draw.py has it, which is not imported: nobody but its process needs Pillow

_DRAW: Final = Path(__file__).with_name("draw.py")

log = Log(__name__)


class Purpose(StrEnum):
    ICON = "icon"
    BADGE = "badge"
    IMAGE = "image"


@dataclass(frozen=True, slots=True)
class Picture:
    width: int
    height: int
    webp: bytes | None  # a badge has none: platforms take the alpha of a PNG
    png: bytes


class Workshop:
    """That of one process of the API."""

    def __init__(self, within: float = WITHIN, program: Path = _DRAW) -> None:
        self._within = within
        self._program = program
        self._turn = asyncio.Lock()
        self._asked = 0

    async def draw(self, purpose: Purpose, picture: bytes) -> Picture:
        """InvalidRequest: it is none, broken, too large, or took too long; TooManyRequests: others wait."""
        if self._asked >= MOST_WAITING:
            raise TooManyRequests("Other pictures are being drawn.", retry_after=5)
        self._asked += 1
        try:
            async with self._turn:
                return await self._draw(purpose, picture)
        finally:
            self._asked -= 1

    async def _draw(self, purpose: Purpose, picture: bytes) -> Picture:
        # -I: neither the working directory nor the environment says what is imported.
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            str(self._program),
            purpose.value,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={},
        )
        try:
            async with asyncio.timeout(self._within):
                output, trouble = await process.communicate(picture)
        except TimeoutError:
            raise InvalidRequest(f"The picture took longer than {self._within:g} seconds to draw.") from None
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        head, _, rest = output.partition(b"\n")
        if process.returncode == 0:
            return _picture(json.loads(head), rest)
        if process.returncode == REFUSED:
            raise InvalidRequest(json.loads(head))
        if process.returncode is not None and process.returncode < 0:
            raise InvalidRequest("The picture took more time or memory than there is for one.")
        log.error("image.failed", code=process.returncode, said=trouble.decode(errors="replace")[-1000:])
        raise Internal("The picture could not be drawn.")


def _picture(drawn: dict[str, int], files: bytes) -> Picture:
    webp = drawn["webp"]
    return Picture(drawn["width"], drawn["height"], files[:webp] or None, files[webp : webp + drawn["png"]])
