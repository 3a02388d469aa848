from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.installation import Installation, open_installation


@pytest.fixture
async def installation(database_url: str, tmp_path: Path) -> AsyncIterator[Installation]:
    """On SQLite and on PostgreSQL."""
    async with open_installation(database_url, tmp_path) as installation:
        yield installation
