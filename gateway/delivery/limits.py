"""What one sender process takes on. Nobody needs to set these: the windows find out what a provider takes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SenderLimits:
    """All counts are messages to one subscription, all lengths of time seconds."""

    in_flight: int = 1_920  # POSTed, not answered; an 80 ms round trip needs about 700 to keep a core busy
    bulk_share: float = (
        0.75  # of `in_flight` and of each window; the rest is for transactional messages alone
    )
    provider_share: float = 0.625  # of `in_flight`: the widest window, so that one never has it all
    first_share: float = 0.25  # of that: the window of a provider of which nothing is known yet
    least_share: float = 0.0625  # of `in_flight`: what each provider gets even when others have taken it all
    read_ahead: int = 1_000  # claimed and read, not POSTed, per lane and provider
    paced_ahead: int = 10_000  # the same, of what has a rate: its members wait for their turn
    lease: float = 30.0  # until somebody else may take over what a dead sender held
    poll: float = 1.0  # between looks at the database when nothing wakes us
    stop_within: float = 15.0  # that a stop waits for what is in flight …
    record_within: float = 8.0  # … and then for the database: then a supervisor loses its patience
    flush_after: float = 0.25  # that a result may wait for company before it is recorded
    look_every: float = 0.5  # until a pause, a cancel or a hold of somebody else's is noticed, at most

    @property
    def bulk_in_flight(self) -> int:
        return int(self.in_flight * self.bulk_share)

    @property
    def provider_in_flight(self) -> int:
        return max(1, int(self.in_flight * self.provider_share))

    @property
    def least_in_flight(self) -> int:
        return max(1, int(self.in_flight * self.least_share))

    @property
    def first_window(self) -> int:
        return max(1, int(self.provider_in_flight * self.first_share))
