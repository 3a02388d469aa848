"""How many bytes each view of a picture loads, before and after: `python -m loadtest.pictures [FILE…]`.

Without files: pictures of the kinds that admins upload, made here, and a screenshot of the documentation.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from gateway.images.draw import draw
from tests.pictures import logo, photograph

ROOT = Path(__file__).parents[1]


def typical() -> Iterator[tuple[str, str, bytes]]:
    """Name, purpose, content."""
    yield "phone photograph, 12 megapixels, JPEG 90", "image", photograph(4032, 3024, quality=90)
    yield "shop photograph, 2000 × 1500, JPEG 85", "image", photograph(2000, 1500, quality=85)
    yield "the same as PNG, as graphics programs export it", "image", photograph(2000, 1500, "PNG")
    yield "portrait as icon, 1200 × 1200, JPEG 85", "icon", photograph(1200, 1200, quality=85)
    yield "logo, 1024 × 1024, PNG", "icon", logo(1024, 1024)
    yield "logo as badge, 1024 × 1024, PNG", "badge", logo(1024, 1024)
    yield "screenshot, docs/demo.png", "image", (ROOT / "docs" / "demo.png").read_bytes()


def main() -> None:
    given = [(Path(each).name, "image", Path(each).read_bytes()) for each in sys.argv[1:]]
    print("| picture | purpose | uploaded | WebP | PNG | times less | CPU |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for name, purpose, content in given or typical():
        began = time.process_time()
        drawn, webp, png = draw(purpose, content)
        took = time.process_time() - began
        loaded = drawn["webp"] or drawn["png"]
        sizes = f"{len(content):,} | {len(webp):,}" if webp else f"{len(content):,} | – "
        print(f"| {name} | {purpose} | {sizes} | {len(png):,} | {len(content) / loaded:.0f} | {took:.2f} s |")


if __name__ == "__main__":
    main()
