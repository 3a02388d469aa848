"""What becomes of a picture; tests/unit/test_workshop.py has the process round it."""

from typing import Any

import pytest
from PIL import Image, ImageCms

from gateway.images.draw import Unusable, draw
from tests.pictures import bomb, logo, moving, opened, photograph, saved


def drawn(purpose: str, picture: bytes) -> Image.Image:
    """The WebP, or a badge's PNG."""
    says, webp, png = draw(purpose, picture)
    result = opened(webp or png)
    assert result.size == (says["width"], says["height"])
    assert (len(webp), len(png)) == (says["webp"], says["png"])
    assert opened(png).size == result.size
    return result


@pytest.mark.parametrize(
    ("purpose", "size", "becomes"),
    [
        ("icon", (800, 600), (192, 192)),
        ("icon", (100, 60), (60, 60)),
        ("image", (2880, 2160), (1440, 720)),
        ("image", (600, 900), (600, 300)),
        ("badge", (400, 400), (96, 96)),
    ],
)
def test_a_picture_gets_the_size_of_its_purpose_and_never_grows(
    purpose: str, size: tuple[int, int], becomes: tuple[int, int]
) -> None:
    assert drawn(purpose, photograph(*size)).size == becomes


def test_an_image_is_a_small_part_of_what_a_camera_made() -> None:
    picture = photograph(2000, 1500, quality=92)
    says, _, png = draw("image", picture)
    assert says["webp"] < len(picture) / 4
    assert len(png) < 1_000_000


def test_a_logo_stays_whole_as_an_icon() -> None:
    icon = drawn("icon", logo(400, 200)).convert("RGBA")
    assert icon.size == (192, 192)
    assert icon.getpixel((96, 4))[3] == 0  # type: ignore[index]
    assert icon.getpixel((96, 96))[3] == 255  # type: ignore[index]
    assert icon.getpixel((2, 96))[3] > 200  # type: ignore[index]


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_a_badge_is_white_in_the_shape_of_a_logo(format: str) -> None:
    badge = drawn("badge", saved(opened(logo(300, 300)), format))
    assert badge.mode == "LA"
    assert badge.getchannel("L").getextrema() == (255, 255)
    alpha = badge.getchannel("A")
    assert (alpha.getpixel((48, 48)), alpha.getpixel((1, 1))) == (255, 0)


@pytest.mark.parametrize(("ground", "ink"), [("white", "black"), ("navy", "yellow")])
def test_the_shape_of_a_badge_without_transparency_is_what_differs_from_its_edge(
    ground: str, ink: str
) -> None:
    picture = Image.new("RGB", (200, 200), ground)
    picture.paste(Image.new("RGB", (80, 80), ink), (60, 60))
    alpha = drawn("badge", saved(picture, "PNG")).getchannel("A")
    assert min(alpha.crop((40, 40, 56, 56)).tobytes()) > 240
    assert max(alpha.crop((0, 0, 6, 6)).tobytes()) < 10


def test_a_picture_is_turned_as_its_camera_was_held_and_says_no_more_of_where() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "a camera"
    picture = photograph(400, 400, exif=exif.tobytes(), comment=b"secret")
    _, webp, png = draw("icon", picture)
    turned = opened(webp).convert("RGB")
    assert turned.getpixel((185, 5))[0] > 150  # type: ignore[index]
    assert drawn("image", photograph(400, 200, exif=exif.tobytes())).size == (200, 100)
    for result in (webp, png):
        assert not opened(result).getexif()
        assert b"camera" not in result
        assert b"secret" not in result


def test_of_what_moves_the_first_frame_stays() -> None:
    still = drawn("image", moving(200, 100))
    assert getattr(still, "n_frames", 1) == 1
    assert still.convert("RGB").getpixel((50, 50))[0] > 240  # type: ignore[index]


def test_colours_of_another_profile_are_those_that_one_sees() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    plain = Image.new("RGB", (64, 32), (200, 40, 40))
    converted = drawn("image", saved(plain, "PNG", icc_profile=lab)).convert("RGB").getpixel((5, 5))
    assert opened(draw("image", saved(plain, "PNG", icc_profile=b"broken"))[1]).size == (64, 32)
    assert converted is not None


@pytest.mark.parametrize(
    ("mode", "format", "colour"),
    [
        ("1", "PNG", 1),
        ("L", "JPEG", 200),
        ("LA", "PNG", (200, 100)),
        ("P", "GIF", 3),
        ("CMYK", "JPEG", (0, 200, 200, 0)),
        ("I;16", "PNG", 51_400),
        ("RGBA", "WEBP", (200, 0, 0, 128)),
    ],
)
@pytest.mark.parametrize("purpose", ["icon", "badge", "image"])
def test_every_kind_of_pixel_can_be_drawn(mode: str, format: str, colour: Any, purpose: str) -> None:
    result = drawn(purpose, saved(Image.new(mode, (300, 200), colour), format))
    if mode == "I;16" and purpose == "image":
        assert abs(result.convert("L").tobytes()[0] - 200) < 3


@pytest.mark.parametrize(
    ("picture", "why"),
    [
        (b"", "no picture in PNG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no picture in PNG"),
        (saved(Image.new("RGB", (64, 64)), "BMP"), "no picture in PNG"),
        (saved(Image.new("RGB", (64, 64)), "TIFF"), "no picture in PNG"),
        (photograph(400, 300)[:3000], "broken"),
        (photograph(400, 300, "PNG")[:9000], "broken"),
        (photograph(400, 300, "WEBP")[:900], "picture"),
        (saved(Image.new("RGB", (15, 300)), "PNG"), "16 on each side"),
    ],
    ids=["nothing", "svg", "bmp", "tiff", "half a jpeg", "half a png", "half a webp", "too narrow"],
)
def test_what_cannot_be_drawn_is_named(picture: bytes, why: str) -> None:
    with pytest.raises(Unusable, match=why):
        draw("image", picture)


@pytest.mark.parametrize("size", [(50_000, 50_000), (8_000, 5_001)])
def test_a_bomb_is_refused_before_it_is_decoded(size: tuple[int, int]) -> None:
    with pytest.raises(Unusable, match="40 million"):
        draw("icon", bomb(*size))
