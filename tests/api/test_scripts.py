"""What browsers load: configuration and scripts, cheap to ask for again."""

import asyncio
import json
import re
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway.api.assets import STATIC
from gateway.api.scripts import Scripts
from gateway.context import Context
from tests.api.conftest import Api


@pytest.fixture
def page(api: Api) -> Api:
    """As a browser asks: without a token."""
    return api.with_token(None)


async def test_pages_learn_the_active_keys_newest_first(api: Api, page: Api, site: str) -> None:
    keys = f"/v1/sites/{site}/keys"
    (old,) = (await api.get(keys))["items"]
    assert await page.get(f"/v1/public/{site}") == {
        "site": site,
        "application_server_keys": [old["application_server_key"]],
        "worker": {"path": "/push-sw.js", "scope": "/push-gateway/"},
        "prompt": {},
        "categories": [],
    }
    new = await api.post(keys, {})
    found = (await page.get(f"/v1/public/{site}"))["application_server_keys"]
    assert found == [new["application_server_key"], old["application_server_key"]]
    await api.delete(f"{keys}/{old['id']}")
    found = (await page.get(f"/v1/public/{site}"))["application_server_keys"]
    assert found == [new["application_server_key"]]


async def test_the_configuration_is_the_same_for_everybody_and_cacheable(page: Api, site: str) -> None:
    path = f"/v1/public/{site}"
    answer = await page.call("GET", path, 200, headers={"Origin": "https://anywhere.example"})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Origin" not in answer.headers.get("Vary", "")
    assert "max-age" in answer.headers["Cache-Control"]
    again = {"If-None-Match": answer.headers["ETag"], "Origin": "https://anywhere.example"}
    unchanged = await page.call("GET", path, 304, headers=again)
    assert unchanged.headers["ETag"] == answer.headers["ETag"]
    assert unchanged.headers["Access-Control-Allow-Origin"] == "*"


async def test_a_page_script_carries_its_sites_configuration(page: Api, site: str) -> None:
    answer = await page.call("GET", f"/sdk/{site}.js", 200)
    script = await answer.text()
    assert "__PUSH_GATEWAY_CONFIG__" not in script
    found = re.search(r'\{"site":"site_\w+","gateway":"[^"]+"\}', script)
    assert found is not None
    assert json.loads(found[0]) == {"site": site, "gateway": "https://push.example.net"}


async def test_two_sites_get_each_their_own_script(api: Api, page: Api, site: str) -> None:
    other = await api.new_site(name="Other")
    texts = await asyncio.gather(*((page.call("GET", f"/sdk/{each}.js", 200)) for each in (site, other)))
    one, two = [await each.text() for each in texts]
    assert site in one
    assert other in two
    assert site not in two


@pytest.mark.parametrize("name", ["{site}.js", "sw.js"])
async def test_scripts_are_asked_for_again_and_answered_in_short(page: Api, site: str, name: str) -> None:
    path = f"/sdk/{name.format(site=site)}"
    answer = await page.call("GET", path, 200)
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    etag = answer.headers["ETag"]
    assert not etag.startswith("W/")
    for known in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        again = await page.call("GET", path, 304, headers={"If-None-Match": known})
        assert again.headers["ETag"] == etag
        assert await again.read() == b""
    await page.call("GET", path, 200, headers={"If-None-Match": '"other"'})


async def test_scripts_are_zipped_for_who_takes_it_under_another_etag(page: Api) -> None:
    zipped = await page.call("GET", "/sdk/sw.js", 200, headers={"Accept-Encoding": "br, gzip"})
    plain = await page.call("GET", "/sdk/sw.js", 200, headers={"Accept-Encoding": "identity"})
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert int(zipped.headers["Content-Length"]) < int(plain.headers["Content-Length"]) / 2
    assert await zipped.read() == await plain.read()
    assert zipped.headers["ETag"] != plain.headers["ETag"]
    assert zipped.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"


async def test_the_worker_script_is_the_file_as_it_was_built(page: Api) -> None:
    answer = await page.call("GET", "/sdk/sw.js", 200)
    assert await answer.read() == (STATIC / "sw.js").read_bytes()


async def test_an_unknown_site_has_no_script_and_no_configuration(api: Api, page: Api, site: str) -> None:
    for path in ("/sdk/site_0000000000000.js", "/sdk/nonsense.js", "/sdk/..%2Fsdk.js", "/sdk/sw.css"):
        assert (await page.get(path, 404))["code"] == "not_found"
    await page.get("/v1/public/site_0000000000000", 404)
    await api.delete(f"/v1/sites/{site}")
    await page.get(f"/v1/public/{site}", 404)
    await page.get(f"/sdk/{site}.js", 404)


async def test_a_site_of_the_next_channel_loads_what_is_rolled_out_there(
    serve: Callable[[Context], Awaitable[Api]],
    context: Context,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    static = tmp_path / "static"
    shutil.copytree(STATIC, static, ignore=shutil.ignore_patterns("admin", "docs"))
    (static / "next").mkdir()
    (static / "next" / "sdk.js").write_text('next(1, "__PUSH_GATEWAY_CONFIG__")')
    (static / "next" / "sw.js").write_text("next worker")
    monkeypatch.setattr("gateway.api.browser.STATIC", static)
    api = await serve(context)
    first, other = await api.new_site(), await api.new_site()
    await api.patch(f"/v1/sites/{first}", {"settings": {"sdk_channel": "next"}})
    page = api.with_token(None)

    async def loaded(path: str) -> str:
        return await (await page.call("GET", f"/sdk/{path}", 200)).text()

    assert (await loaded(f"{first}.js")).startswith('next(1, {"site":"' + first)
    assert await loaded(f"{first}/sw.js") == "next worker"
    assert not (await loaded(f"{other}.js")).startswith("next")
    stable = (STATIC / "sw.js").read_text()
    assert await loaded(f"{other}/sw.js") == await loaded("sw.js") == stable
    await api.patch(f"/v1/sites/{first}", {"settings": {"sdk_channel": "beta"}}, 400)


async def test_without_a_next_release_both_channels_are_the_same(api: Api, page: Api, site: str) -> None:
    before = await (await page.call("GET", f"/sdk/{site}.js", 200)).text()
    await api.patch(f"/v1/sites/{site}", {"settings": {"sdk_channel": "next"}})
    assert await (await page.call("GET", f"/sdk/{site}.js", 200)).text() == before


def test_a_script_that_was_not_built_for_this_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "sw.js").write_text("1")
    (tmp_path / "sdk.js").write_text("no place for a configuration")
    with pytest.raises(ValueError, match="build it again"):
        Scripts(tmp_path, "https://push.example.net")


def test_the_scripts_of_many_sites_do_not_fill_the_memory() -> None:
    scripts = Scripts(STATIC, "https://push.example.net")
    for site_id in range(1, 1_101):
        scripts.page_of(site_id)
    assert len(scripts._of_site) <= 1_000
