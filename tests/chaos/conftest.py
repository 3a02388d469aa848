import logging
from collections.abc import Iterator

import pytest

from loadtest.chaos.postgres import Postgres, running_postgres
from loadtest.sink import find_nginx


@pytest.fixture(autouse=True)
def nginx() -> None:
    if find_nginx() is None:
        pytest.skip(
            "the push service that counts is nginx, which is not installed: apt-get install nginx-light"
        )


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    """A server of its own, because it is restarted."""
    pytest.importorskip("pgserver.postgres_server", reason="needs pgserver to restart PostgreSQL")
    asyncpg_log = logging.getLogger("asyncpg")
    before = asyncpg_log.level
    asyncpg_log.setLevel(logging.CRITICAL)  # its pool tells of the restart, with a traceback
    with running_postgres() as server:
        yield server
    asyncpg_log.setLevel(before)
