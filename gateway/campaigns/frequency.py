"""The frequency cap of a site: nobody gets more of its messages than so many, or one right after another."""

from typing import Annotated

from msgspec import Meta, Struct

from gateway.campaigns.zones import HOUR, MINUTE
from gateway.errors import FieldError

NEVER = 2**62  # milliseconds since the epoch


class FrequencyCap(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Counted are pushes that push services accepted, transactional ones apart."""

    messages: Annotated[int, Meta(ge=1, le=1_000, description="At most so many …")]
    hours: Annotated[int, Meta(ge=1, le=720, description="… within any so many hours.")]
    minutes_between: (
        Annotated[int, Meta(ge=1, le=43_200, description="No other for so long after each.")] | None
    ) = None

    @property
    def window(self) -> int:
        """How long a push counts, in milliseconds."""
        return self.hours * HOUR

    def quiet_since(self, now: int) -> int:
        """Who got one after this moment got it just now."""
        return NEVER if self.minutes_between is None else now - self.minutes_between * MINUTE


def check_frequency_cap(cap: FrequencyCap | None, path: str) -> list[FieldError]:
    if cap is None or cap.minutes_between is None or cap.minutes_between * MINUTE <= cap.window:
        return []
    sentence = "This is longer than the hours that are counted: give more hours, or less of it."
    return [FieldError(f"{path}.minutes_between", sentence)]
