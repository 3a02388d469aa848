"""The guard at the claim: whose quiet hours have begun since they were planned is planned anew."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from gateway.campaigns.quiet_hours import Quiet, Window
from gateway.delivery.flight import Flight, Member
from storage import subscriptions
from storage.database import Database
from storage.subscription import RecipientRow


async def keep_to_windows(database: Database, flight: Flight, quiet: Quiet, now: int) -> None:
    """Leaves in the flight those who may be sent to now, until the first of their quiet hours begins.

    Everybody is judged by their site's quiet hours and their own zone as they are now, whatever was planned:
    an admin may have changed the former, a visitor may have moved. That is one read of the batch, and only of
    messages that keep to quiet hours.
    """
    if not flight.waiting:
        return
    zones = await _zones(database, flight) if quiet.by_visitor else {}
    waiting, flight.waiting = flight.waiting, []
    later: defaultdict[Window, list[Member]] = defaultdict(list)
    for member in waiting:
        window = quiet.window(zones.get(member[0]), now)
        if window.due_at > now:
            later[window].append(member)
        else:
            flight.waiting.append(member)
            if window.ends_at < flight.window_ends_at:
                flight.close_at(window.ends_at)
    for window, members in later.items():
        flight.leave(members, window.due_at, window.ends_at)


async def _zones(database: Database, flight: Flight) -> Mapping[int, Any]:
    ids = [member[0] for member in flight.waiting]
    rows = await database.read(lambda tx: subscriptions.details(tx, flight.batch.site_id, ids))
    return {recipient.id: recipient.timezone for recipient in map(RecipientRow._make, rows)}
