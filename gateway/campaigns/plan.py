"""The one function that judges each recipient of a message, once: when is it their turn, with what, if ever?

Pure. It is applied when a step of the audience is read (freeze), and again to those whose batch was claimed
after its window had ended. Nothing else schedules: whatever moves recipients in time writes another batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gateway.campaigns.best_hour import BestTimes
from gateway.campaigns.local_time import WallClock
from gateway.campaigns.lottery import REST, Lottery
from gateway.campaigns.quiet_hours import Quiet, WithQuietHours
from gateway.campaigns.rules import Rules, read_rules
from gateway.campaigns.stages import lottery_of
from gateway.campaigns.withdrawal import NOT_OFFERED
from gateway.site_settings import SiteSettings, read_settings
from storage.deliveries import SkipReason
from storage.messages import Message, MessageKind, Priority
from storage.sites import Site
from storage.subscription import RecipientRow


class Place(NamedTuple):
    """Of a recipient among a message's batches. Times are milliseconds since the epoch."""

    due_at: int | None  # None: held until something releases its stage
    stage: int = 0
    variant: int = 0
    window_ends_at: int | None = None  # not to be sent from then on: planned anew


@dataclass(frozen=True, slots=True)
class Timetable:
    """What `plan` needs of a message and its site, parsed once for thousands of recipients."""

    message: Message
    rules: Rules
    settings: SiteSettings
    clock: WallClock | None  # whose local time it is, decides
    best: BestTimes | None  # everybody's best hour decides
    quiet: Quiet | None  # the quiet hours that hold for it
    lottery: Lottery | None  # who is held out, who comes first, who is shown what

    @classmethod
    def of(cls, message: Message, site: Site, site_hours: Sequence[int] = ()) -> "Timetable":
        """`site_hours`: see storage.site_hours; only messages with a best hour need them."""
        rules, settings = read_rules(message), read_settings(site)
        quiet = quiet_hours_of(message, rules, settings)
        return cls(
            message,
            rules,
            settings,
            None if rules.local_time is None else WallClock.of(rules.local_time, settings.timezone),
            None
            if rules.best_hour is None
            else BestTimes.of(
                rules.best_hour,
                message_id=message.id,
                started_at=message.started_at,
                site_zone=settings.timezone,
                site_hours=site_hours,
                quiet=quiet,
            ),
            quiet,
            lottery_of(message.id, rules),
        )

    @property
    def withdraws(self) -> bool:
        """Whether it takes another message back."""
        return self.message.kind is MessageKind.WITHDRAWAL

    @property
    def is_plain(self) -> bool:
        """Whether everybody's place is the same: then nothing but id and provider is read of anybody."""
        return (
            not self.withdraws
            and self.clock is None
            and self.best is None
            and self.quiet is None
            and self.lottery is None
        )


def plan(recipient: RecipientRow, timetable: Timetable, now: int) -> Place | SkipReason:
    """Where a recipient stands, or why they get nothing."""
    if timetable.withdraws and recipient.provider in NOT_OFFERED:
        return SkipReason.NOT_OFFERED
    if timetable.lottery is None:
        return when(recipient, timetable, now)
    ticket = timetable.lottery.draw(recipient.id)
    if ticket is None:
        return SkipReason.HOLDOUT
    place = when(recipient, timetable, now)
    if isinstance(place, SkipReason):
        return place
    if ticket.stage == REST:
        # When it is released is not known: quiet hours are looked at then, at the claim.
        return Place(None, REST, ticket.variant)
    return place._replace(stage=ticket.stage, variant=ticket.variant)


def when(recipient: RecipientRow, timetable: Timetable, now: int) -> Place | SkipReason:
    """When it is a recipient's turn, whatever their stage and variant: they keep those they were given."""
    due_at = now
    if timetable.clock is not None:
        local = timetable.clock.due_at(recipient.timezone, now)
        if local is None:
            return SkipReason.LATE
        due_at = local
    if timetable.best is not None:
        due_at = timetable.best.due_at(recipient.id, recipient.timezone, recipient.activity, now)
    if timetable.quiet is None:
        return Place(due_at)
    window = timetable.quiet.window(recipient.timezone, due_at)
    return Place(window.due_at, window_ends_at=window.ends_at)


def quiet_hours_of(message: Message, rules: Rules, settings: SiteSettings) -> Quiet | None:
    """Those of the site, if it has any and the message keeps to them."""
    hours = settings.quiet_hours
    passes = message.priority is Priority.TRANSACTIONAL or rules.quiet_hours is WithQuietHours.OVERRIDE
    return None if hours is None or passes else Quiet.of(hours, settings.timezone)
