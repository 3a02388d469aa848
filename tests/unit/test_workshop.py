"""The process that draws: whatever a picture does to it, the gateway goes on."""

import asyncio
import os
from pathlib import Path

import pytest

from gateway.errors import Internal, InvalidRequest, TooManyRequests
from gateway.images import draw, workshop
from gateway.images.workshop import MOST_WAITING, Purpose, Workshop
from tests.eventually import eventually
from tests.pictures import bomb, logo, opened, photograph


async def test_a_picture_comes_back_in_both_formats() -> None:
    picture = await Workshop().draw(Purpose.IMAGE, photograph(1200, 900))
    assert picture.webp is not None
    assert opened(picture.webp).format == "WEBP"
    assert opened(picture.png).format == "PNG"
    assert opened(picture.png).size == (picture.width, picture.height) == (1200, 600)


async def test_a_badge_comes_back_as_a_png_alone() -> None:
    picture = await Workshop().draw(Purpose.BADGE, logo(500, 500))
    assert picture.webp is None
    assert opened(picture.png).mode == "LA"


async def test_what_cannot_be_drawn_is_an_error_of_its_upload_with_the_reason() -> None:
    shop = Workshop()
    with pytest.raises(InvalidRequest, match="50000 × 50000"):
        await shop.draw(Purpose.IMAGE, bomb(50_000, 50_000))
    assert (await shop.draw(Purpose.ICON, logo(64, 64))).width == 64
    assert draw.REFUSED == workshop.REFUSED


async def test_the_largest_picture_that_is_taken_fits_the_memory_it_is_given() -> None:
    """Forty megapixels with an alpha channel, which are 160 MB; and one of as many shades of grey."""
    for colour_type, samples in ((6, 4), (0, 1)):
        picture = await Workshop().draw(Purpose.IMAGE, bomb(8_000, 5_000, colour_type, samples))
        assert picture.width == 1440


def program(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "program.py"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "import resource; resource.setrlimit(resource.RLIMIT_CPU, (1, 1))\nwhile True: pass",
    ],
    ids=["killed", "out of cpu"],
)
async def test_a_process_that_is_killed_fails_that_upload_only(tmp_path: Path, text: str) -> None:
    shop = Workshop(program=program(tmp_path, text))
    with pytest.raises(InvalidRequest, match="more time or memory"):
        await shop.draw(Purpose.ICON, logo(64, 64))


async def test_a_process_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    shop = Workshop(within=0.3, program=program(tmp_path, "import time; time.sleep(60)"))
    with pytest.raises(InvalidRequest, match="longer than"):
        await shop.draw(Purpose.ICON, logo(64, 64))


async def test_a_fault_of_ours_is_told_to_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shop = Workshop(program=program(tmp_path, "raise RuntimeError('the reason')"))
    with pytest.raises(Internal):
        await shop.draw(Purpose.ICON, logo(64, 64))
    assert any("the reason" in str(vars(each)) for each in caplog.records)


async def test_the_process_knows_no_secret_of_the_gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_MASTER_KEY", "secret")
    text = "import json, os; print(json.dumps(' '.join(os.environ))); raise SystemExit(3)"
    with pytest.raises(InvalidRequest) as refused:
        await Workshop(program=program(tmp_path, text)).draw(Purpose.ICON, b"")
    assert "GATEWAY" not in refused.value.sentence


async def test_pictures_are_drawn_one_after_the_other_and_few_wait(tmp_path: Path) -> None:
    together = tmp_path / "together"
    text = (
        f"import os, sys, time; os.mkdir({str(together)!r}); time.sleep(0.05); os.rmdir({str(together)!r});"
        "print('\"done\"'); sys.exit(3)"
    )
    shop = Workshop(program=program(tmp_path, text))
    asked = [asyncio.create_task(shop.draw(Purpose.ICON, b"")) for _ in range(MOST_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(TooManyRequests):
        await shop.draw(Purpose.ICON, b"")
    ended = await asyncio.gather(*asked, return_exceptions=True)
    assert [str(each) for each in ended] == ["done"] * MOST_WAITING


async def test_whoever_hangs_up_leaves_no_process_behind(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    text = f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    task = asyncio.create_task(Workshop(program=program(tmp_path, text)).draw(Purpose.ICON, b""))

    async def runs() -> bool:
        return pid.exists() and pid.read_text() != ""

    await eventually(runs)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
