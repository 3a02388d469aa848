"""The process that reads one strange picture and draws what notifications show. It imports nothing of ours.

    python -I draw.py icon|badge|image < picture

With exit code 0 its output is one line of JSON, `Drawn`, and then the bytes of the WebP and the PNG; with
exit code 3 one line of JSON, a sentence for whoever sent the picture. Anything else is for the log.
Whatever a picture does to Pillow it does to this process only: it has its own limits of memory and CPU, and
no secrets in its environment.
"""

import io
import json
import os
import resource
import sys
from typing import Final, TypedDict

from PIL import Image, ImageCms, ImageOps, ImageStat

MOST_PIXELS: Final = 40_000_000
MOST_MEMORY: Final = 1 << 30  # of addresses; a picture of 40 megapixels with alpha takes 160 MB, twice over
MOST_CPU: Final = 10  # seconds

FORMATS: Final = ("PNG", "JPEG", "WEBP", "GIF")
REFUSED: Final = 3

ICON: Final = 192
BADGE: Final = 96
IMAGE: Final = (1440, 720)
SMALLEST: Final = 16  # pixels of a side

Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit; ours is smaller, and answers with a sentence

_WEBP_QUALITY: Final = 80
_COLOURS: Final = 256


class Drawn(TypedDict):
    width: int
    height: int
    webp: int  # bytes; 0: there is none
    png: int


class Unusable(Exception):
    """A sentence that says what is wrong with the picture."""


def draw(purpose: str, picture: bytes) -> tuple[Drawn, bytes, bytes]:
    """The picture in the size that `purpose` has, without metadata: as WebP, and as PNG. Unusable."""
    opened = _open(picture)
    drawn = {"icon": _icon, "badge": _badge, "image": _image}[purpose](opened)
    webp = b"" if purpose == "badge" else _saved(drawn, "WEBP", quality=_WEBP_QUALITY, method=5)
    png = _saved(drawn if purpose == "badge" else _fewer_colours(drawn), "PNG", optimize=True)
    width, height = drawn.size
    return Drawn(width=width, height=height, webp=len(webp), png=len(png)), webp, png


def _open(picture: bytes) -> Image.Image:
    """Its first frame, decoded. The size is known before a pixel is, so no bomb goes off."""
    try:
        opened = Image.open(io.BytesIO(picture), formats=FORMATS)
    except (OSError, SyntaxError, ValueError) as exc:
        raise Unusable("This is no picture in PNG, JPEG, WebP or GIF.") from exc
    width, height = opened.size
    if width * height > MOST_PIXELS:
        raise Unusable(
            f"The picture has {width} × {height} pixels; {MOST_PIXELS // 1_000_000} million are the most."
        )
    if min(width, height) < SMALLEST:
        raise Unusable(f"The picture has {width} × {height} pixels; {SMALLEST} on each side are the least.")
    if opened.format == "JPEG":
        opened.draft(None, (2 * IMAGE[0], 2 * IMAGE[1]))  # decodes an eighth of it where that is enough
    try:
        opened.load()
    except (OSError, SyntaxError, ValueError, EOFError) as exc:
        raise Unusable("The picture is broken: it cannot be read to its end.") from exc
    return opened


def _icon(opened: Image.Image) -> Image.Image:
    """A logo stays whole, with what it has of transparency round it; a photograph fills the square."""
    if not _is_transparent(opened):
        return _filled(opened, ICON, ICON)
    side = min(ICON, max(opened.size))
    return _in_srgb(ImageOps.pad(_upright(opened, "RGBA", side), (side, side)), opened)


def _image(opened: Image.Image) -> Image.Image:
    """Two to one, as platforms show it: its middle, and never larger than it came."""
    return _filled(opened, *IMAGE)


def _badge(opened: Image.Image) -> Image.Image:
    """White with an alpha channel, of which platforms take nothing else: the shape of what is drawn.

    Without transparency the ground is what most of its edge is, and the shape what differs from it.
    """
    transparent = _is_transparent(opened)
    side = min(BADGE, max(opened.size))
    whole = ImageOps.contain(_upright(opened, "RGBA" if transparent else "L", side), (side, side))
    shape = whole.getchannel("A") if transparent else _differs_from_its_edge(whole)
    canvas = Image.new("L", (side, side), 0)
    canvas.paste(shape, ((side - shape.width) // 2, (side - shape.height) // 2))
    return Image.merge("LA", (Image.new("L", canvas.size, 255), canvas))


def _differs_from_its_edge(grey: Image.Image) -> Image.Image:
    edge = Image.new("1", grey.size, 1)
    edge.paste(0, (1, 1, grey.width - 1, grey.height - 1))
    is_light = ImageStat.Stat(grey, mask=edge.convert("L")).median[0] > 127
    return ImageOps.autocontrast(ImageOps.invert(grey) if is_light else grey)


def _filled(opened: Image.Image, width: int, height: int) -> Image.Image:
    """The middle of the picture in this proportion, at most so large."""
    mode = "RGBA" if _is_transparent(opened) else "RGB"
    upright = _upright(opened, mode, max(width, height))
    scale = min(1.0, upright.width / width, upright.height / height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return _in_srgb(ImageOps.fit(upright, size, Image.Resampling.LANCZOS), opened)


def _upright(opened: Image.Image, mode: str, wanted: int) -> Image.Image:
    """Turned as its EXIF says, in `mode`. What is far larger than wanted is made smaller first: quicker."""
    factor = min(opened.size) // (2 * wanted)
    image = _with_eight_bits(opened)
    if image.mode == "P" or (image.mode == "CMYK"):
        image = image.convert(mode)
    if factor > 1:
        image = image.reduce(factor)
    orientation = opened.getexif().get(0x0112, 1)
    turned = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }.get(orientation)
    return (image if turned is None else image.transpose(turned)).convert(mode)


def _with_eight_bits(image: Image.Image) -> Image.Image:
    """PNGs of 16 bits of grey would be cut off at 255."""
    if not image.mode.startswith("I"):
        return image
    return image.convert("I").point(lambda value: value / 256).convert("L")


def _is_transparent(image: Image.Image) -> bool:
    """Whether anything shows through: many a picture has an alpha channel that is full throughout."""
    if not image.has_transparency_data:
        return False
    return image.convert("RGBA").getchannel("A").getextrema() != (255, 255)


def _in_srgb(image: Image.Image, opened: Image.Image) -> Image.Image:
    """What is shown without a profile is taken for sRGB: wide colours would go pale."""
    profile = opened.info.get("icc_profile")
    if not profile or opened.mode == "CMYK":  # Pillow has converted that
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"))
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image  # a profile of something else, or a broken one
    return image if converted is None else converted


def _fewer_colours(image: Image.Image) -> Image.Image:
    """A photograph as a PNG of all colours has ten times the bytes; few browsers ever load it."""
    if image.mode == "RGBA":
        return image.quantize(_COLOURS, Image.Quantize.FASTOCTREE)
    return image.quantize(_COLOURS, Image.Quantize.MEDIANCUT)


def _saved(image: Image.Image, format: str, **options: object) -> bytes:
    """Nothing of what came along: no EXIF with the place where it was taken, no profile, no comment."""
    bare = image.copy()
    bare.info = {}
    if image.mode == "P" and image.has_transparency_data:
        bare.info = {name: image.info[name] for name in ("transparency",) if name in image.info}
    written = io.BytesIO()
    bare.save(written, format, **options)
    return written.getvalue()


def main() -> int:
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU, MOST_CPU))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        drawn, webp, png = draw(sys.argv[1], sys.stdin.buffer.read())
    except Unusable as exc:
        print(json.dumps(str(exc)))
        return REFUSED
    except MemoryError:
        print(json.dumps("The picture takes more memory than there is for one."))
        return REFUSED
    sys.stdout.buffer.write(json.dumps(drawn).encode() + b"\n" + webp + png)
    return 0


if __name__ == "__main__":
    sys.exit(main())
