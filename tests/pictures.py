"""Pictures for tests: as cameras, designers and attackers make them."""

import io
import math
import struct
import zlib
from typing import Any

from PIL import Image, ImageDraw


def photograph(width: int, height: int, format: str = "JPEG", **options: Any) -> bytes:
    """Light, shade and grain: it compresses as pictures of the world do. Its upper left is red."""
    grain = Image.effect_noise((width // 8, height // 8), 40).resize((width, height)).convert("L")
    light = Image.linear_gradient("L").resize((width, height))
    round_light = Image.radial_gradient("L").resize((width, height))
    picture = Image.merge("RGB", (light, grain, round_light))
    ImageDraw.Draw(picture).rectangle((0, 0, width // 8, height // 8), fill="red")
    return saved(picture, format, **options)


def landscape(width: int, height: int) -> bytes:
    """Hills at dusk, for pictures in which pictures are seen."""
    sky = Image.linear_gradient("L").resize((width, height))
    picture = Image.merge(
        "RGB",
        (
            sky.point(lambda v: 90 + v * 0.6),
            sky.point(lambda v: 120 + v * 0.3),
            sky.point(lambda v: 200 - v * 0.3),
        ),
    )
    pen = ImageDraw.Draw(picture)
    sun, horizon = height // 8, height * 5 // 9
    pen.ellipse(
        (width * 2 // 3 - sun, horizon - 2 * sun, width * 2 // 3 + sun, horizon), fill=(255, 236, 190)
    )
    for n, colour in enumerate([(86, 104, 122), (58, 82, 88), (34, 56, 58)]):
        top = horizon + n * height // 11
        hills = [
            (x, top + height // 14 * math.sin(x / width * (5 + 3 * n) + 2 * n))
            for x in range(0, width + 9, 8)
        ]
        pen.polygon([(0, height), *hills, (width, height)], fill=colour)
    return saved(picture, "JPEG", quality=90)


def logo(width: int, height: int) -> bytes:
    """A dark disc on nothing."""
    picture = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    ImageDraw.Draw(picture).ellipse((0, 0, width - 1, height - 1), fill=(20, 60, 160, 255))
    return saved(picture, "PNG")


def moving(width: int, height: int) -> bytes:
    """A GIF, red and then blue."""
    frames = [Image.new("RGB", (width, height), colour) for colour in ("red", "blue")]
    return saved(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=100)


def bomb(width: int, height: int, colour_type: int = 2, samples: int = 3) -> bytes:
    """A PNG of at most 200 kB that says it has so many pixels: all of them black, or a part of them."""
    head = struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0)
    rows = zlib.compress(bytes(min(200_000_000, height * (1 + samples * width))), 1)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in ((b"IHDR", head), (b"IDAT", rows), (b"IEND", b""))
    )


def saved(picture: Image.Image, format: str, **options: Any) -> bytes:
    written = io.BytesIO()
    picture.save(written, format, **options)
    return written.getvalue()


def opened(content: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(content))
    picture.load()
    return picture
