"""Who is spared a message when their turn comes: they left its category, or have had enough for now."""

from collections.abc import Mapping

from gateway.campaigns.frequency import FrequencyCap
from gateway.delivery.flight import Flight
from gateway.delivery.recorder import Recorder
from storage.deliveries import Outcome, SkipReason


def spare(
    recorder: Recorder, flight: Flight, spared: Mapping[int, SkipReason], cap: FrequencyCap | None
) -> None:
    """Leaves in the flight those who want the message, and whom the site's cap allows it.

    With a cap the pushes that are accepted are counted.
    """
    if cap is not None:
        flight.counts_for = cap.window
    if not spared:
        return
    waiting, flight.waiting = flight.waiting, []
    for member in waiting:
        reason = spared.get(member[0])
        if reason is None:
            flight.waiting.append(member)
        else:
            recorder.settle(flight, member[0], Outcome.SKIPPED, reason)
