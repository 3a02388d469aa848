"""The rules of a message: who gets it and when, beyond audience, `send_at` and `expires_at`.

One struct for the request that sets them, for the column `messages.rules` that keeps them, and for the answer
that shows them. A rule that is not given costs nothing: most messages store `{}`.
"""

from typing import Annotated

from msgspec import Meta, Struct, json

from gateway.campaigns.auto_pause import AutoPause
from gateway.campaigns.best_hour import BestHour
from gateway.campaigns.categories import CategoryName
from gateway.campaigns.local_time import LocalTime
from gateway.campaigns.quiet_hours import WithQuietHours
from gateway.campaigns.recurrence import Misfire, Recurrence
from gateway.campaigns.rollout import Rollout
from gateway.campaigns.variants import Variants
from storage.messages import Message


class Rules(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Every field has a default that stands for "no such rule"."""

    template: Annotated[str | None, Meta(description="`tpl_…`: what it was made of.")] = None
    dry_run: Annotated[
        bool, Meta(description="Everything but the push: whoever would be sent to counts as skipped.")
    ] = False
    local_time: Annotated[
        LocalTime | None, Meta(description="The same time on each visitor's clock, instead of send_at.")
    ] = None
    best_hour: Annotated[
        BestHour | None, Meta(description="Each visitor at the hour at which they look and click most.")
    ] = None
    quiet_hours: Annotated[
        WithQuietHours, Meta(description="Transactional messages always override those of the site.")
    ] = WithQuietHours.RESPECT
    recurrence: Annotated[
        Recurrence | None, Meta(description="Again and again: each occurrence is a message of its own.")
    ] = None
    misfire: Annotated[
        Misfire | None, Meta(description="When it could not start in time: sent however late by default.")
    ] = None
    variants: Annotated[
        Variants | None, Meta(description="Several notifications (A/B/n), each for a part of the audience.")
    ] = None
    rollout: Annotated[
        Rollout | None, Meta(description="A part of the audience first, the rest when that went well.")
    ] = None
    auto_pause: Annotated[
        AutoPause | None, Meta(description="Pauses the message when too much of it fails.")
    ] = None
    category: Annotated[
        CategoryName | None,
        Meta(description="Who has left it gets nothing, of transactional messages neither."),
    ] = None

    withdrawable: Annotated[
        bool, Meta(description="Its pushes can be taken back as long as push services keep them.")
    ] = False

    @property
    def holds_the_rest(self) -> bool:
        """Whether a part of the audience waits until something releases it."""
        return self.rollout is not None or (self.variants is not None and self.variants.winner is not None)


_DECODER = json.Decoder(Rules)
_ENCODER = json.Encoder()
_NONE = Rules()


def read_rules(message: Message) -> Rules:
    """What `write_rules` stored."""
    return parse_rules(message.rules)


def parse_rules(text: str) -> Rules:
    """The text of `messages.rules`."""
    return _NONE if text == "{}" else _DECODER.decode(text)


def write_rules(rules: Rules) -> str:
    return _ENCODER.encode(rules).decode()
