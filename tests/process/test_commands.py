"""Every command once, and what it says when something is wrong."""

import base64
import re
import socket
import stat
from collections.abc import Callable
from pathlib import Path

from tests.process.conftest import CommandLine


async def test_demo_shows_the_admin_token_once_and_makes_one_site(command_line: CommandLine) -> None:
    first = await command_line.ok("demo")
    assert re.search(r"Admin token +wpg_\S{40,}", first)
    assert "Dashboard    http://127.0.0.1:8080/admin/" in first
    assert "Demo page    http://127.0.0.1:8080/demo/" in first
    second = await command_line.ok("demo")
    assert "wpg_" not in second
    assert (await command_line.ok("site", "list")).count("Demo") == 1


async def test_the_demo_follows_the_public_url(command_line: CommandLine) -> None:
    await command_line.ok("demo")
    for _ in range(2):
        await command_line.ok("demo", GATEWAY_PUBLIC_URL="https://push.example.com/with/a/path")
    sites = await command_line.ok("site", "list")
    assert sites.splitlines()[0].split()[1:] == ["Demo", "http://127.0.0.1:8080", "https://push.example.com"]


async def test_the_master_key_is_made_for_its_owner_only(command_line: CommandLine) -> None:
    await command_line.ok("migrate")
    mode = (command_line.data_dir / "master.key").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


async def test_a_site_is_made_with_its_key_and_snippet(command_line: CommandLine) -> None:
    out = await command_line.ok(
        *("site", "new", "--name", "Shop", "--origin", "https://shop.example.com"),
        GATEWAY_PUBLIC_URL="https://push.example.com",
    )
    site_id = out.split()[0]
    assert re.search(r"application server key +[\w-]{87}\n", out)
    assert f'src="https://push.example.com/sdk/{site_id}.js"' in out
    assert f"{site_id}  Shop  https://shop.example.com" in await command_line.ok("site", "list")


async def test_a_site_of_this_machine_only_needs_a_contact_that_push_services_accept(
    command_line: CommandLine,
) -> None:
    local = ("site", "new", "--name", "Local", "--origin", "http://localhost:3000")
    refused = await command_line.run(*local)
    assert refused.code == 1
    assert "--contact" in refused.err
    refused = await command_line.run(*local, "--contact", "mailto:me@localhost")
    assert refused.code == 1
    assert "contact" in refused.err
    await command_line.ok(*local, "--contact", "mailto:me@example.com")


async def test_a_token_is_shown_once_listed_and_revoked(command_line: CommandLine) -> None:
    out = await command_line.ok("token", "new", "--scope", "send", "--name", "back end")
    token_id, scopes = out.splitlines()[0].split(maxsplit=1)
    assert scopes == "send"
    assert "wpg_" in out
    listed = await command_line.ok("token", "list")
    assert re.search(rf"{token_id} .*active +back end", listed)
    assert "wpg_" not in listed
    await command_line.ok("token", "revoke", token_id)
    assert re.search(rf"{token_id} .*revoked +back end", await command_line.ok("token", "list"))


async def test_an_id_that_is_none_is_refused_with_an_example(command_line: CommandLine) -> None:
    refused = await command_line.run("token", "revoke", "site_0000000000000")
    assert refused.code == 1
    assert "tok_" in refused.err
    assert "Traceback" not in refused.err


async def test_check_passes_on_a_fresh_machine_and_says_what_it_looked_at(command_line: CommandLine) -> None:
    out = await command_line.ok("check")
    for what in ("settings", "open files", "certificates", "database", "master key", "clock"):
        assert re.search(rf"^(ok|warning) +{what} ", out, re.MULTILINE), out


async def test_check_finds_everything_that_must_be_fixed(command_line: CommandLine) -> None:
    found = await command_line.run(
        "check",
        GATEWAY_PUBLIC_URL="http://push.example.com",
        GATEWAY_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none",
    )
    assert found.code == 1
    assert re.search(r"FIX +public URL .*GATEWAY_PUBLIC_URL", found.out)
    assert re.search(r"FIX +database ", found.out)


async def test_an_unknown_setting_is_an_error_that_names_the_likely_one(command_line: CommandLine) -> None:
    refused = await command_line.run("check", GATEWAY_PUBLIC_ULR="https://push.example.com")
    assert refused.code == 1
    assert "GATEWAY_PUBLIC_ULR is not a setting; did you mean GATEWAY_PUBLIC_URL?" in refused.err


async def test_a_gateway_with_another_master_key_refuses_the_database(
    command_line: CommandLine, another_data_dir: Callable[[str], CommandLine]
) -> None:
    await command_line.ok("migrate")
    url = f"sqlite:///{command_line.data_dir / 'gateway.db'}"
    refused = await another_data_dir("other").run("migrate", GATEWAY_DATABASE_URL=url)
    assert refused.code == 1
    assert "GATEWAY_MASTER_KEY" in refused.err
    shared = (command_line.data_dir / "master.key").read_text().strip()
    assert len(base64.urlsafe_b64decode(shared + "=" * (-len(shared) % 4))) == 32
    third = another_data_dir("third")
    await third.ok("migrate", GATEWAY_DATABASE_URL=url, GATEWAY_MASTER_KEY=shared)


async def test_a_data_directory_that_cannot_be_made_is_named(
    command_line: CommandLine, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    refused = await command_line.run("migrate", GATEWAY_DATA_DIR=str(tmp_path / "file" / "data"))
    assert refused.code == 1
    assert "GATEWAY_DATA_DIR" in refused.err
    assert "Traceback" not in refused.err


async def test_a_metrics_port_that_is_taken_is_named(command_line: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as free:
        ports = {"GATEWAY_METRICS_PORT": str(taken.getsockname()[1])}
        ports["GATEWAY_PORT"] = str(free.getsockname()[1])
        free.close()
        done = await command_line.run("serve", **ports)
    assert done.code == 1
    assert "GATEWAY_METRICS_PORT" in done.err
    assert "Traceback" not in done.err
