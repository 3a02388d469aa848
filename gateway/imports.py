"""Taking in subscriptions by the million, never as a whole in memory. A bad line costs itself only."""

import asyncio
from collections.abc import AsyncIterable, Callable, Sequence
from typing import Annotated

from msgspec import Meta, Struct

from gateway import audit
from gateway.campaigns.quotas import Quotas
from gateway.context import Context
from gateway.errors import FieldError, InvalidRequest, QuotaExceeded
from gateway.push_subscription import parse_push_subscription
from gateway.quotas import check_subscribers, hold
from gateway.site_settings import read_settings
from gateway.subscription_fields import check_fields, check_totals
from gateway.subscription_lines import MAX_LINE, SubscriptionLine, split_lines
from gateway.webpush.keys import encode_base64url
from storage import audit as stored_audit
from storage import keys, sites, subscriptions
from storage.audit import AuditEntry
from storage.database import Transaction
from storage.ids import Kind, encode_id
from storage.keys import ApplicationServerKey, KeyState
from storage.subscriptions import Imported, NewSubscription, Subscription

MAX_ERRORS = 100  # reported one by one; the rest is only counted

_BATCH = 500  # some 15 ms under the write lock
_BREATH = 50  # lines between two looks at everybody else's requests: about 3 ms


class LineError(Struct, frozen=True):
    line: Annotated[int, Meta(ge=1, description="Counted from 1, empty lines included.")]
    path: str
    message: str


class ImportResult(Struct, kw_only=True):
    """lines = added + known + refused."""

    lines: Annotated[int, Meta(description="Lines that are not empty.")] = 0
    added: int = 0
    known: Annotated[int, Meta(description="Known before with the same keys: refreshed.")] = 0
    refused: Annotated[
        int, Meta(description="Malformed, known with other keys, or too much with what is known.")
    ] = 0
    errors: Annotated[list[LineError], Meta(description=f"The first {MAX_ERRORS}, by line.")] = []


Decode = Callable[[bytes], SubscriptionLine]


async def import_subscriptions(
    context: Context, actor: str, site_id: int, chunks: AsyncIterable[bytes], decode: Decode
) -> ImportResult:
    """Store each good line. What was stored stays when the stream breaks off; importing it again is harmless.

    `decode` reads one line; InvalidRequest when it is no subscription, without `errors` when it is no JSON.
    QuotaExceeded: the lines before the first that found no room are stored. storage.errors.NotFound: no such
    site.
    """
    target = encode_id(Kind.SITE, site_id)
    started = audit.entry(context, actor, "subscriptions.import_started", target, site_id)
    run = _Import(context, site_id, await _begin(context, site_id, started), decode)
    full = None
    try:
        await _take_all(run, chunks)
    except QuotaExceeded as exc:
        full = exc
    counts = {name: getattr(run.result, name) for name in ("lines", "added", "known", "refused")}
    ended = audit.entry(context, actor, "subscriptions.imported", target, site_id, counts)
    await context.database.write(lambda tx: stored_audit.add(tx, ended))
    if full is not None:
        raise QuotaExceeded(f"{full.sentence} {run.result.added} were added before.") from full
    return run.result


async def _take_all(run: "_Import", chunks: AsyncIterable[bytes]) -> None:
    async for number, line in split_lines(chunks):
        if run.result.lines % _BREATH == 0:
            await asyncio.sleep(0)
        run.take(number, line)
        if len(run.batch) >= _BATCH:
            await run.store()
    await run.store()


async def _begin(
    context: Context, site_id: int, started: AuditEntry
) -> tuple[Quotas, Sequence[ApplicationServerKey]]:
    async def body(tx: Transaction) -> tuple[Quotas, Sequence[ApplicationServerKey]]:
        site = await sites.get(tx, site_id)
        await stored_audit.add(tx, started)
        return read_settings(site).quotas, await keys.of_site(tx, site_id)

    return await context.database.write(body)


class _Import:
    """One import under way: at most a batch of parsed lines in memory."""

    def __init__(
        self,
        context: Context,
        site_id: int,
        found: tuple[Quotas, Sequence[ApplicationServerKey]],
        decode: Decode,
    ) -> None:
        self._context = context
        self._quotas, of_site = found
        self._decode = decode
        self._site_id = site_id
        self._now = context.clock.now()
        usable = [key for key in of_site if key.state is not KeyState.RETIRED]
        self._by_id = {encode_id(Kind.KEY, key.id): key.id for key in usable}
        self._by_public_key = {encode_base64url(key.public_key): key.id for key in usable}
        self._newest = next((key.id for key in usable if key.state is KeyState.ACTIVE), None)
        self._numbers: list[int] = []
        self.batch: list[tuple[int, NewSubscription]] = []
        self.result = ImportResult()

    def take(self, number: int, line: bytes | None) -> None:
        self.result.lines += 1
        try:
            new = self._parse(line)
        except InvalidRequest as exc:
            self._refuse(number, exc.errors or [FieldError("", "The line is not a JSON object in UTF-8.")])
        else:
            self._numbers.append(number)
            self.batch.append((self._context.ids.next(), new))

    async def store(self) -> None:
        """Write the batch, if there is one, in one transaction; up to the quota, if it reaches that."""
        if self.batch:
            batch, numbers = self.batch, self._numbers
            self.batch, self._numbers = [], []
            await self._store(batch, numbers)

    async def _store(self, batch: Sequence[tuple[int, NewSubscription]], numbers: Sequence[int]) -> None:
        now = self._now

        async def body(tx: Transaction) -> Imported:
            await hold(tx, self._site_id, self._quotas)
            added = await subscriptions.add_many(tx, self._site_id, batch, now, _fits)
            if added.added:
                await check_subscribers(tx, self._site_id, self._quotas)
            return added

        try:
            imported = await self._context.database.write(body)
        except QuotaExceeded:
            if len(batch) == 1:
                raise
            half = len(batch) // 2
            await self._store(batch[:half], numbers[:half])
            await self._store(batch[half:], numbers[half:])
            return
        self.result.added += imported.added
        self.result.known += imported.known
        for place in imported.conflicts:
            self._refuse(numbers[place], [FieldError("endpoint", "The endpoint is known with other keys.")])
        for place in imported.overfull:
            self._refuse(numbers[place], [_OVERFULL])

    def _parse(self, line: bytes | None) -> NewSubscription:
        """InvalidRequest with what is wrong."""
        if line is None:
            raise InvalidRequest(errors=[FieldError("", f"The line is longer than {MAX_LINE} bytes.")])
        read = self._decode(line)
        errors = check_fields(read.attributes, read.timezone)
        key_id = self._key_id(read, errors)
        if errors or key_id is None:
            raise InvalidRequest(errors=errors)
        parsed = parse_push_subscription(
            read.endpoint, read.keys, read.expiration_time, self._context.push_hosts, self._now
        )
        return NewSubscription(
            endpoint=parsed.endpoint.url,
            provider=parsed.endpoint.provider,
            key_id=key_id,
            p256dh=parsed.p256dh,
            auth=parsed.auth,
            expires_at=parsed.expires_at,
            external_id=read.external_id,
            language=read.language,
            timezone=read.timezone,
            tags=tuple(dict.fromkeys(read.tags or ())),
            attributes=read.attributes or {},
            country=read.country,
            browser=read.browser,
            platform=read.platform,
            opted_out=tuple(dict.fromkeys(read.opted_out or ())),
            created_at=self._now,
        )

    def _key_id(self, read: SubscriptionLine, errors: list[FieldError]) -> int | None:
        if read.application_server_key is not None:
            found = self._by_public_key.get(read.application_server_key.rstrip("="))
            path, message = "application_server_key", "This is not an application server key of the site."
        elif read.key_id is not None:
            found = self._by_id.get(read.key_id)
            path, message = "key_id", "This is not the id of an application server key of the site."
        else:
            found = self._newest
            path, message = "key_id", "Name a key: the site has no active one."
        if found is None:
            errors.append(FieldError(path, message))
        return found

    def _refuse(self, number: int, errors: Sequence[FieldError]) -> None:
        self.result.refused += 1
        free = MAX_ERRORS - len(self.result.errors)
        self.result.errors += [LineError(number, each.path, each.message) for each in errors[:free]]


def _fits(merged: Subscription | NewSubscription) -> bool:
    """Its own browser could not refresh one that has too many."""
    return not check_totals(merged.tags, merged.attributes)


_OVERFULL = FieldError("", "With what is known of it there would be too many tags or attributes.")
