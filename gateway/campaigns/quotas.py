"""What a site may use at most, as whoever runs the gateway for others has set it."""

from typing import Annotated

from msgspec import Meta, Struct

Many = Annotated[int, Meta(ge=0, le=2**53 - 1)]


class Quotas(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is not given or null is not limited."""

    subscribers: Annotated[Many | None, Meta(description="Active ones at a time.")] = None
    messages_per_day: Annotated[
        Many | None, Meta(description="Pushes a day (UTC): one message to a thousand is a thousand.")
    ] = None
    rate: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000)] | None, Meta(description="Pushes a second, at most.")
    ] = None


NO_QUOTAS = Quotas()
