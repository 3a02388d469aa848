"""API tokens of admins and back ends. Only their SHA-256 is stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from storage.database import Row, Transaction
from storage.errors import NotFound
from storage.queries import load

_SQL = load("tokens")


class Scope(StrEnum):
    READ = "read"
    SEND = "send"
    MANAGE = "manage"


@dataclass(frozen=True, slots=True)
class ApiToken:
    id: int
    site_id: int | None  # None: every site
    name: str
    scopes: frozenset[Scope]
    created_at: int
    expires_at: int | None = None
    revoked_at: int | None = None

    def is_valid(self, now: int) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


async def add(tx: Transaction, token: ApiToken, hash: bytes) -> None:
    """`hash` is 32 bytes. Raises Conflict when the token is known, NotFound without its site."""
    scopes = " ".join(sorted(token.scopes))
    await tx.execute(
        _SQL["add"], token.id, token.site_id, token.name, scopes, hash, token.created_at, token.expires_at
    )


async def by_hash(tx: Transaction, hash: bytes) -> ApiToken | None:
    """The token, also when it is revoked or expired: ask `is_valid`."""
    row = await tx.fetch_one(_SQL["by_hash"], hash)
    return None if row is None else _token(row)


async def of_site(tx: Transaction, site_id: int | None) -> Sequence[ApiToken]:
    """The tokens of one site (None: those for every site), oldest first, also revoked ones."""
    if site_id is None:
        return [_token(row) for row in await tx.fetch(_SQL["of_every_site"])]
    return [_token(row) for row in await tx.fetch(_SQL["of_site"], site_id)]


async def get(tx: Transaction, id: int) -> ApiToken:
    row = await tx.fetch_one(_SQL["get"], id)
    if row is None:
        raise NotFound(f"token {id}")
    return _token(row)


async def revoke(tx: Transaction, id: int, now: int) -> None:
    """Idempotent: the first revocation's time stays. Raises NotFound."""
    await get(tx, id)
    await tx.execute(_SQL["revoke"], id, now)


def _token(row: Row) -> ApiToken:
    id, site_id, name, scopes, created_at, expires_at, revoked_at = row
    known = frozenset(Scope(scope) for scope in scopes.split())
    return ApiToken(id, site_id, name, known, created_at, expires_at, revoked_at)
