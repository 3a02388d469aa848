"""The HTTP API on a real socket, over a real database, with a clock that stands until a test moves it."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from gateway.access import ensure_admin_token
from gateway.api.server import build_application
from gateway.context import Context
from gateway.master_key import MasterKey
from gateway.settings import Settings
from gateway.webpush import PushHosts
from storage.database import Database
from storage.ids import IdSource
from storage.opening import open_database
from tests.fakes.clock import FakeClock

ADMIN_TOKEN = "wpg_the-admin-token-of-the-tests"
CONTACT = "mailto:ops@example.com"
NEW_SITE = {"name": "Example", "origins": ["https://example.com"], "contact": CONTACT}
NEW_MESSAGE = {"notification": {"title": "Sale", "body": "Ends tonight"}, "audience": {"all": True}}


@dataclass
class Api:
    """Calls the API with a bearer token, the admin's unless told otherwise, and looks at the status."""

    client: TestClient[Request, Application]
    token: str | None = ADMIN_TOKEN
    headers: dict[str, str] = field(default_factory=dict)

    def with_token(self, token: str | None) -> "Api":
        return Api(self.client, token, self.headers)

    async def call(self, method: str, path: str, status: int, **options: Any) -> ClientResponse:
        """The answer, read to its end; the test fails when the status is another."""
        headers = dict(self.headers) | dict(options.pop("headers", {}))
        if self.token is not None:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        response = await self.client.request(method, path, headers=headers, **options)
        text = await response.text()
        assert response.status == status, f"{method} {path}: {response.status} {text}"
        return response

    async def get(self, path: str, status: int = 200, **options: Any) -> Any:
        return await self._json("GET", path, status, options)

    async def post(self, path: str, body: Any = None, status: int = 201, **options: Any) -> Any:
        return await self._json("POST", path, status, options if body is None else {"json": body, **options})

    async def patch(self, path: str, body: Any, status: int = 200, **options: Any) -> Any:
        return await self._json("PATCH", path, status, {"json": body, **options})

    async def delete(self, path: str, status: int = 204, **options: Any) -> Any:
        return await self._json("DELETE", path, status, options)

    async def _json(self, method: str, path: str, status: int, options: dict[str, Any]) -> Any:
        response = await self.call(method, path, status, **options)
        return await response.json(content_type=None) if status != 204 else None

    async def new_site(self, **changes: Any) -> str:
        site: dict[str, Any] = await self.post("/v1/sites", {**NEW_SITE, **changes})
        return str(site["id"])

    async def new_token(self, site: str, *scopes: str, **changes: Any) -> str:
        body = {"name": "a back end", "scopes": scopes or ["read", "send"], **changes}
        made: dict[str, Any] = await self.post(f"/v1/sites/{site}/tokens", body)
        return str(made["token"])

    async def new_message(self, site: str, **changes: Any) -> dict[str, Any]:
        made: dict[str, Any] = await self.post(f"/v1/sites/{site}/messages", {**NEW_MESSAGE, **changes}, 202)
        return made


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path, public_url="https://push.example.net", admin_token=ADMIN_TOKEN, senders=0
    )


@pytest.fixture
def database_url(settings: Settings, migrated_sqlite: bytes) -> str:
    """SQLite's alone; test_postgres.py repeats what depends on the database."""
    Path(settings.database_url.removeprefix("sqlite:///")).write_bytes(migrated_sqlite)
    return settings.database_url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = await open_database(database_url, migrate=False, write_pause=0)
    yield database
    await database.close()


@pytest.fixture
def context(database: Database, settings: Settings, clock: FakeClock) -> Context:
    return Context(
        database=database,
        clock=clock,
        ids=IdSource(clock.now, secrets.randbits),
        master_key=MasterKey(bytes(range(32))),
        settings=settings,
        push_hosts=PushHosts(),
    )


@pytest.fixture
async def serve(
    aiohttp_client: Callable[[TestServer], Awaitable[TestClient[Request, Application]]],
) -> Callable[[Context], Awaitable[Api]]:
    """For tests that need a context of their own."""

    async def start(context: Context) -> Api:
        await ensure_admin_token(context)
        return Api(await aiohttp_client(TestServer(build_application(context), host="127.0.0.1")))

    return start


@pytest.fixture
async def api(serve: Callable[[Context], Awaitable[Api]], context: Context) -> Api:
    return await serve(context)


@pytest.fixture
async def site(api: Api) -> str:
    """The id of a site."""
    return await api.new_site()
