"""Removes deliveries and events that were kept for as long as is set, never what they add up to."""

from collections.abc import Mapping

from gateway.context import Context
from gateway.retention import kept_since
from storage import removals
from storage.removals import ROWS, Raw

AT_ONCE = 100  # transactions of a kind in a round; then it is the turn of what else there is to tidy up
SWEEP_EVERY = 24 * 3_600_000  # ms: what belongs to no message that has ended is looked for once a day


class Remover:
    def __init__(self, context: Context) -> None:
        self._database = context.database
        self._clock = context.clock
        self._settings = context.settings
        self._swept_at = 0

    async def step(self) -> Mapping[str, int]:
        """A round; how many rows it removed, by kind."""
        now = self._clock.now()
        removed = {f"{raw}_removed": await self._of_ended(raw, now) for raw in Raw}
        if now - self._swept_at >= SWEEP_EVERY:
            for raw in Raw:
                removed[f"{raw}_removed"] += await self._of_open(raw, now)
            removed["custom_events_removed"] = await self._custom(now)
            self._swept_at = now
        return removed

    async def _of_ended(self, raw: Raw, now: int) -> int:
        before = kept_since(self._settings, raw, now)
        total = 0
        for _ in range(AT_ONCE if before is not None else 0):
            removed = await self._database.write(lambda tx: removals.step(tx, raw, before))  # type: ignore[arg-type]
            if removed is None:
                break
            total += removed
        return total

    async def _of_open(self, raw: Raw, now: int) -> int:
        """Of steps of automations: they may go on for years."""
        before = kept_since(self._settings, raw, now)
        if before is None:
            return 0
        total = 0
        for site_id, id in await self._database.read(lambda tx: removals.open_steps(tx, before)):
            after_id: int | None = 0
            while after_id is not None:
                page = await self._database.read_apart(
                    lambda tx, site=site_id, id=id, after=after_id: removals.old_page(  # type: ignore[misc]
                        tx, raw, site, id, after, before
                    )
                )
                after_id = page.after_id
                for start in range(0, len(page.old), ROWS):
                    some = page.old[start : start + ROWS]
                    total += await self._database.write(
                        lambda tx, site=site_id, id=id, some=some: removals.remove_old(  # type: ignore[misc]
                            tx, raw, site, id, some, before
                        )
                    )
        return total

    async def _custom(self, now: int) -> int:
        before = kept_since(self._settings, Raw.EVENTS, now)
        if before is None:
            return 0
        total = 0
        for site_id in await self._database.read_apart(
            lambda tx: removals.sites_with_custom_events(tx, before)
        ):
            while removed := await self._database.write(
                lambda tx, site=site_id: removals.remove_custom_events(tx, site, before)  # type: ignore[misc]
            ):
                total += removed
        return total
