"""One provider's part of a sender: its flights in both lanes, and how many pushes it may have in flight."""

from collections import deque
from dataclasses import dataclass, field

from gateway.delivery.flight import Flight
from gateway.delivery.limits import SenderLimits
from gateway.delivery.window import Window
from storage.batches import BULK, TRANSACTIONAL

LANES = (TRANSACTIONAL, BULK)
MOST_SITES = 4_096  # that were throttled and are remembered although they have nothing to send


@dataclass(eq=False, slots=True)
class SiteWindow:
    """Of a site that the provider throttled: a few are tried first, then more, until it needs no window."""

    window: Window
    in_flight: int = 0
    parked: list[Flight] = field(default_factory=list)  # flights that wait for room in it

    @property
    def full(self) -> bool:
        return self.in_flight >= self.window.size


@dataclass(eq=False, slots=True)
class Line:
    """Nobody stands before anybody of another provider or of a lower lane."""

    provider: str
    limits: SenderLimits
    window: Window = field(init=False)
    queues: dict[int, deque[Flight]] = field(init=False)  # flights that may send now, by lane
    waiting: dict[int, int] = field(init=False)  # members read and not POSTed, without those that are paced
    aside: dict[int, int] = field(init=False)  # those of `waiting` whose site has no room in its own window
    full: dict[int, bool] = field(init=False)  # by lane: there was no room when somebody last asked
    sites: dict[int, SiteWindow] = field(default_factory=dict)  # mostly none
    in_flight: int = 0
    held: bool = False

    def __post_init__(self) -> None:
        self.window = Window(self.limits.provider_in_flight, self.limits.first_window)
        self.queues = {lane: deque() for lane in LANES}
        self.waiting = dict.fromkeys(LANES, 0)
        self.aside = dict.fromkeys(LANES, 0)
        self.full = dict.fromkeys(LANES, False)

    def width(self, lane: int) -> int:
        """Pushes that may be in flight when one more of the lane is sent."""
        size = self.window.size
        return size if lane == TRANSACTIONAL else max(1, int(size * self.limits.bulk_share))

    def room(self, lane: int) -> int:
        """How many more members of a lane may be claimed: about two windows, so that a slow one holds few.

        Those who are set aside stand before nobody, and count only when there are very many of them.
        """
        ahead = 0 if self.held else min(self.limits.read_ahead, 2 * self.window.size)
        room = max(0, ahead - self.waiting[lane] + min(self.aside[lane], self.limits.paced_ahead))
        self.full[lane] = room == 0
        return room

    def throttle(self, site_id: int, now: float) -> None:
        """The site has to start again with one push at a time."""
        site = self.sites.get(site_id)
        if site is None:
            self._forget_a_site()
            site = self.sites[site_id] = SiteWindow(Window(self.limits.provider_in_flight, 1))
        site.window.restart(now)

    def _forget_a_site(self) -> None:
        """The one that has been here for the longest time of those that send nothing."""
        if len(self.sites) >= MOST_SITES:
            idle = (id for id, site in self.sites.items() if not site.parked and site.in_flight == 0)
            self.sites.pop(next(idle, 0), None)

    def park(self, flight: Flight, site: SiteWindow) -> bool:
        """Set a flight aside that was taken from its queue; whether there is room now, and was none before.

        What has a rate is not among those who wait, and has a bound of its own.
        """
        lane = flight.batch.lane
        site.parked.append(flight)
        if not flight.batch.paced_for:
            self.aside[lane] += len(flight.waiting)
        return self.full[lane] and self.room(lane) > 0

    def unpark(self, site: SiteWindow) -> None:
        """All of a site queue up again."""
        parked, site.parked = site.parked, []
        for flight in parked:
            self._no_longer_aside(flight)
            self.queues[flight.batch.lane].append(flight)

    @property
    def crowded(self) -> list[int]:
        """Sites of which no more is to be claimed: some of them are set aside."""
        return [site_id for site_id, site in self.sites.items() if site.parked]

    def _no_longer_aside(self, flight: Flight) -> None:
        if not flight.batch.paced_for:
            self.aside[flight.batch.lane] -= len(flight.waiting)

    def remove(self, flight: Flight) -> None:
        """A queued flight, wherever it waits."""
        site = self.sites.get(flight.batch.site_id)
        if site is not None and flight in site.parked:
            site.parked.remove(flight)
            self._no_longer_aside(flight)
        else:
            self.queues[flight.batch.lane].remove(flight)

    def sent(self, lane: int, members: int) -> bool:
        """So many do not wait any more; whether there is room now, and was none when somebody last asked."""
        self.waiting[lane] -= members
        return self.full[lane] and self.room(lane) > 0
