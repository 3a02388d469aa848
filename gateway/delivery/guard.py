"""The guard at the claim: whose quiet hours have begun since they were planned is planned anew."""

from collections import defaultdict
from collections.abc import Mapping

from gateway.campaigns.quiet_hours import Quiet, Window
from gateway.delivery.flight import Flight, Member
from storage.subscription import VisitorRow


def keep_to_windows(flight: Flight, quiet: Quiet, visitors: Mapping[int, VisitorRow], now: int) -> None:
    """Leaves in the flight those who may be sent to now, until the first of their quiet hours begins.

    Everybody is judged by their site's quiet hours and their own zone as they are now, whatever was planned:
    an admin may have changed the former, a visitor may have moved.
    """
    waiting, flight.waiting = flight.waiting, []
    later: defaultdict[Window, list[Member]] = defaultdict(list)
    for member in waiting:
        visitor = visitors.get(member[0])
        window = quiet.window(None if visitor is None else visitor.timezone, now)
        if window.due_at > now:
            later[window].append(member)
        else:
            flight.waiting.append(member)
            if window.ends_at < flight.window_ends_at:
                flight.close_at(window.ends_at)
    for window, members in later.items():
        flight.leave(members, window.due_at, window.ends_at)
