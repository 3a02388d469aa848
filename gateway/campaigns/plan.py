"""The one function that judges each recipient of a message, once: when is it their turn, with what, if ever?

Pure. It is applied when a step of the audience is read (freeze), and again to those whose batch was claimed
after its window had ended. Nothing else schedules: whatever moves recipients in time writes another batch.
"""

from dataclasses import dataclass
from typing import NamedTuple

from gateway.campaigns.rules import Rules, read_rules
from gateway.site_settings import SiteSettings, read_settings
from storage.deliveries import SkipReason
from storage.messages import Message
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

    @classmethod
    def of(cls, message: Message, site: Site) -> "Timetable":
        return cls(message, read_rules(message), read_settings(site))

    @property
    def is_plain(self) -> bool:
        """Whether everybody's place is the same: then nothing but id and provider is read of anybody."""
        return True


def plan(recipient: RecipientRow, timetable: Timetable, now: int) -> Place | SkipReason:  # noqa: ARG001
    """Where a recipient stands, or why they get nothing."""
    return Place(now)
