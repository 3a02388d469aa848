"""What the gateway says of a website that embeds its snippet."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway.setting_values import HostPort
from gateway.settings import Settings
from tests.api.conftest import ADMIN_TOKEN, Api

GATEWAY = "https://push.example.net"
WORKER = f'importScripts("{GATEWAY}/sdk/sw.js")'


@dataclass
class Website:
    """On http://localhost:PORT; what `answers` does not hold is not there."""

    port: int = 0
    answers: dict[str, tuple[int, str, str]] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        return f"http://localhost:{self.port}"

    def serve(self, path: str, text: str, content_type: str = "text/html", status: int = 200) -> None:
        self.answers[path] = (status, text, content_type)

    async def answer(self, request: web.Request) -> web.Response:
        status, text, content_type = self.answers.get(request.path, (404, "", "text/html"))
        headers = {"Location": text} if 300 <= status < 400 else {}
        return web.Response(status=status, text=text, content_type=content_type, headers=headers)


@pytest.fixture
async def website() -> AsyncIterator[Website]:
    website = Website()
    app = web.Application()
    app.router.add_get("/{path:.*}", website.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    website.port = runner.addresses[0][1]
    website.serve("/push-sw.js", WORKER, "text/javascript")
    website.serve("/app.webmanifest", '{"display": "standalone"}', "application/manifest+json")
    yield website
    await runner.cleanup()


@pytest.fixture
def settings(tmp_path: Path, website: Website) -> Settings:
    return Settings(
        data_dir=tmp_path,
        public_url=GATEWAY,
        admin_token=ADMIN_TOKEN,
        senders=0,
        outbound_private=(HostPort("localhost", website.port),),
    )


@pytest.fixture
async def site(api: Api, website: Website) -> str:
    site = await api.new_site(origins=[website.origin, "https://shop.example"])
    website.serve(
        "/",
        f'<link rel="manifest" href="app.webmanifest"><script async src="{GATEWAY}/sdk/{site}.js"></script>',
    )
    return site


async def check(api: Api, site: str, **body: str) -> tuple[bool, dict[str, dict[str, Any]]]:
    found = await api.post(f"/v1/sites/{site}/check", body, 200)
    return found["ok"], {each["name"]: each for each in found["checks"]}


async def test_a_site_that_is_set_up_right_passes_every_check(api: Api, site: str) -> None:
    found = await api.post(f"/v1/sites/{site}/check", status=200)
    assert found["ok"]
    assert [(each["name"], each["ok"]) for each in found["checks"]] == [
        ("key", True),
        ("https", False),  # on localhost, while one builds
        ("origin", True),
        ("worker_file", True),
        ("worker_content_type", True),
        ("worker_code", True),
        ("manifest", True),
    ]
    assert "loads the site's script" in found["checks"][2]["message"]


@pytest.mark.parametrize(
    ("answer", "name", "says"),
    [
        (("", "text/html", 404), "worker_file", "/push-sw.js answers 404. Its one line is: " + WORKER),
        (("/sw.js", "text/html", 301), "worker_file", "Browsers take a worker from no redirect."),
        ((WORKER, "text/plain", 200), "worker_content_type", "served as text/plain"),
        (("self.x = 1", "text/javascript", 200), "worker_code", "Add: " + WORKER),
        (
            ('importScripts("https://old.example/sdk/sw.js")', "text/javascript", 200),
            "worker_code",
            "of another address",
        ),
    ],
)
async def test_what_is_wrong_with_the_worker_is_said(
    api: Api, site: str, website: Website, answer: tuple[str, str, int], name: str, says: str
) -> None:
    website.serve("/push-sw.js", *answer)
    ok, checks = await check(api, site)
    assert not ok
    assert not checks[name]["ok"]
    assert says in checks[name]["message"]


async def test_a_worker_of_ones_own_is_found_under_its_name(api: Api, site: str, website: Website) -> None:
    own = f"self.pushGatewayShared = true;\nimportScripts( '{GATEWAY}/sdk/sw.js' );"
    website.serve("/own.js", own, "application/javascript")
    ok, checks = await check(api, site, worker="/own.js")
    assert ok
    assert checks["worker_file"]["message"].startswith(f"{website.origin}/own.js")


@pytest.mark.parametrize(
    ("answer", "ok", "says"),
    [
        (("", "text/html", 500), False, "answers 500"),
        (
            ("https://www.shop.example/", "text/html", 302),
            False,
            "Add https://www.shop.example to the site's",
        ),
        (("https://shop.example/en", "text/html", 302), True, "Both are among"),
        (("/en/", "text/html", 302), True, "Both are among"),
        (("<p>", "text/html", 200), True, "is not in its HTML"),
    ],
)
async def test_what_the_origin_answers_is_judged(
    api: Api, site: str, website: Website, answer: tuple[str, str, int], ok: bool, says: str
) -> None:
    website.serve("/", *answer)
    passed, checks = await check(api, site)
    assert (passed, checks["origin"]["ok"]) == (ok, ok)
    assert says in checks["origin"]["message"]


@pytest.mark.parametrize("manifest", ["{}", "nonsense", "[]", '{"display": "browser"}'])
async def test_a_manifest_matters_to_iphones_only(
    api: Api, site: str, website: Website, manifest: str
) -> None:
    website.serve("/app.webmanifest", manifest, "application/json")
    ok, checks = await check(api, site)
    assert ok
    assert (checks["manifest"]["ok"], checks["manifest"]["needed"]) == (False, False)


async def test_a_host_of_the_inside_that_is_not_listed_is_not_asked(api: Api, website: Website) -> None:
    site = await api.new_site(origins=["http://localhost:1", "https://10.0.0.1"])
    for origin in ("http://localhost:1", "https://10.0.0.1"):
        ok, checks = await check(api, site, origin=origin)
        assert not ok
        assert "GATEWAY_OUTBOUND_PRIVATE" in checks["origin"]["message"]
        assert "GATEWAY_OUTBOUND_PRIVATE" in checks["worker_file"]["message"]


async def test_only_the_sites_own_origins_are_asked(api: Api, site: str) -> None:
    refused = await api.post(f"/v1/sites/{site}/check", {"origin": "https://other.example"}, 400)
    assert [each["path"] for each in refused["errors"]] == ["origin"]
    for worker in ("push-sw.js", "/a b", "@other.example", ".other.example"):
        await api.post(f"/v1/sites/{site}/check", {"worker": worker}, 400)
