"""Contract tests: what storage promises, each promise tried on SQLite and on a real PostgreSQL."""

from tests.databases import (  # noqa: F401 - fixtures
    database,
    database_url,
    dialect,
    empty_database_url,
    postgres_server,
)
