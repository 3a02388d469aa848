"""What becomes of a site's messages, as it happens: one look a second at the database for all who listen."""

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from gateway.context import Context
from gateway.errors import NoStreamToSpare, TooManyStreams
from gateway.logs import Log
from gateway.messages import MessageWithProgress, with_progress, with_rates
from storage import messages, sites
from storage.database import Transaction
from storage.errors import NotFound, StorageUnavailable
from storage.messages import GOING_ON

log = Log(__name__)

JUST_ENDED = 60_000  # milliseconds for which a message that has ended is still shown to who comes
MOST_MESSAGES = 100  # of a site that go on at the same time, and as many that have just ended

Show = Callable[[MessageWithProgress, int], bytes]


@dataclass(frozen=True, slots=True)
class LiveLimits:
    """Streams are kept open for hours: they must leave connections to all others. Times are seconds."""

    of_site: int = 20
    in_all: int = 100
    look_every: float = 1.0
    heartbeat: float = 15.0  # without an event, then proxies and readers are told that all is well
    stalled: float = 30.0  # that a reader may take for what one event says


class Listener:
    """What one connection has not been told yet. `over`: nothing more will come."""

    def __init__(self, known: Mapping[int, bytes] | None) -> None:
        """`known` None: nobody has looked yet."""
        self.over = False
        self._news: dict[int, bytes] = dict(known or {})
        self._due = known is not None
        self._rung = asyncio.Event()

    async def news(self, timeout: float) -> Sequence[bytes] | None:
        """Each message that has changed since the last call, as it is now; None: none within `timeout` s.

        The first time all that there are, even if there is none.
        """
        if not self._due and not self.over:
            try:
                async with asyncio.timeout(timeout):
                    await self._rung.wait()
            except TimeoutError:
                return None
        if not self._due:
            return None
        self._rung.clear()
        self._due = False
        news, self._news = self._news, {}
        return list(news.values())

    def tell(self, changed: Mapping[int, bytes]) -> None:
        self._news |= changed
        self._due = True
        self._rung.set()

    def end(self) -> None:
        self.over = True
        self._rung.set()


class Live:
    """All streams of a process; looks at a site as long as somebody listens."""

    def __init__(self, context: Context, show: Show, limits: LiveLimits) -> None:
        self.limits = limits
        self._context = context
        self._show = show
        self._feeds: dict[int, _Feed] = {}
        self.listening = 0
        self._closed = False

    @contextmanager
    def listen(self, site_id: int) -> Iterator[Listener]:
        """TooManyStreams of the site; NoStreamToSpare at all."""
        feed = self._feeds.get(site_id)
        if feed is not None and len(feed.listeners) >= self.limits.of_site:
            raise TooManyStreams
        if self._closed or self.listening >= self.limits.in_all:
            raise NoStreamToSpare
        if feed is None:
            feed = self._feeds[site_id] = _Feed(self._context, self._show, site_id)
            feed.task = asyncio.create_task(self._run(feed), name=f"live-{site_id}")
        listener = Listener(feed.known)
        feed.listeners.add(listener)
        self.listening += 1
        try:
            yield listener
        finally:
            self.listening -= 1
            feed.listeners.discard(listener)

    @property
    def sites(self) -> Collection[int]:
        """Those that are looked at."""
        return self._feeds.keys()

    async def close(self) -> None:
        """End all streams."""
        self._closed = True
        feeds = list(self._feeds.values())
        tasks = [feed.task for feed in feeds if feed.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for feed in feeds:
            feed.end()  # its task may never have begun

    async def _run(self, feed: "_Feed") -> None:
        try:
            while feed.listeners:
                await feed.look()
                await asyncio.sleep(self.limits.look_every)
        except NotFound:
            pass  # the site was deleted
        except Exception as exc:
            log.error("live.failed", site_id=feed.site_id, cause=exc)
        finally:
            del self._feeds[feed.site_id]
            feed.end()


class _Feed:
    """One site's."""

    def __init__(self, context: Context, show: Show, site_id: int) -> None:
        self.site_id = site_id
        self.listeners: set[Listener] = set()
        self.known: dict[int, bytes] | None = None  # as last shown, until a minute after its end
        self.task: asyncio.Task[None] | None = None
        self._context = context
        self._show = show
        self._going_on: frozenset[int] = frozenset()

    async def look(self) -> None:
        """Tell all listeners what has changed since the last look. storage.errors.NotFound: no such site."""
        now = self._context.clock.now()
        try:
            found = with_rates(
                self._context, await self._context.database.read(lambda tx: self._find(tx, now))
            )
        except StorageUnavailable as exc:
            log.warning("storage.unavailable", hint=exc.hint)
            return
        shown = {each.message.id: self._show(each, now) for each in found}
        first, known = self.known is None, self.known or {}
        changed = {id: text for id, text in shown.items() if known.get(id) != text}
        self.known = shown
        self._going_on = frozenset(
            each.message.id for each in found[:MOST_MESSAGES] if each.message.state in GOING_ON
        )
        if changed or first:
            for listener in self.listeners:
                listener.tell(changed)

    async def _find(self, tx: Transaction, now: int) -> Sequence[MessageWithProgress]:
        """As `messages.live`; then those that went on and are not there any more: scheduled again, say."""
        await sites.get(tx, self.site_id)
        found = await messages.live(tx, self.site_id, now - JUST_ENDED, MOST_MESSAGES)
        left = sorted(self._going_on.difference(each.id for each in found))
        found = [*found, *(await messages.by_ids(tx, left)).values()] if left else found
        return await with_progress(tx, self.site_id, found, now)

    def end(self) -> None:
        for listener in self.listeners:
            listener.end()
