"""The README's commands, run as they are written there."""

import asyncio
import json
import os
import re
import signal
from pathlib import Path

import aiohttp
import pytest

from gateway.settings import Settings, load_settings
from tests.e2e.gateway_process import ADMIN_TOKEN, Gateway, free_port
from tests.eventually import eventually

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def first_message_commands() -> list[str]:
    """The shell block of "A first message", one entry for each curl."""
    section = README.split("## A first message")[1].split("\n## ")[0]
    block = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert block is not None
    return re.findall(r"^curl .*?(?=\n\n|\n?\Z)", block[1], re.DOTALL | re.MULTILINE)


async def bash(command: str, **variables: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euc", command),
        env={"PATH": os.environ["PATH"], **variables},
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0
    return out.decode()


async def test_the_first_message_is_sent_with_the_commands_of_the_readme(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, free_port(), {})
    await gateway.start()
    try:
        create, send, look = first_message_commands()
        names = {"GATEWAY": gateway.url, "TOKEN": ADMIN_TOKEN}
        site = json.loads(await bash(create, **names))
        assert site["id"].startswith("site_"), site
        message = json.loads(await bash(send, **names, SITE=site["id"]))
        assert message["state"] == "scheduled", message
        shown = json.loads(await bash(look, **names, SITE=site["id"]))
        assert [each["id"] for each in shown["items"]] == [message["id"]]
    finally:
        await gateway.stop()


async def test_make_run_starts_the_gateway_with_its_demo_and_stops_cleanly(tmp_path: Path) -> None:
    port = free_port()
    log = tmp_path / "log"
    settings = {"GATEWAY_PORT": str(port), "GATEWAY_DATA_DIR": str(tmp_path / "data"), "GATEWAY_SENDERS": "1"}
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *("make", "run"),
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **settings},
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:

            async def shows_the_demo() -> bool:
                assert process.returncode is None, log.read_text()
                try:
                    async with session.get("/demo/") as response:
                        return response.status == 200
                except aiohttp.ClientConnectionError:
                    return False

            await eventually(shows_the_demo, within=60)
        os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C in a terminal does
        await asyncio.wait_for(process.wait(), 40)
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    said = log.read_text()
    assert re.search(r"Admin token +wpg_", said)
    assert f"http://127.0.0.1:{port}/demo/" in said
    assert "gateway.stopped" in said
    assert "Traceback" not in said


def test_the_readmes_settings_are_those_of_the_code() -> None:
    table = re.findall(r"^\| `(GATEWAY_\w+)` \|", README, re.MULTILINE)
    known = [f"GATEWAY_{name.upper()}" for name in Settings.__dataclass_fields__]
    assert table == known


def test_every_setting_of_the_readme_can_be_left_out() -> None:
    assert load_settings({}).port == 8080


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#:]+)\)", README))
def test_a_link_of_the_readme_leads_to_a_file(link: str) -> None:
    assert (ROOT / link).exists()
