"""Whom a message addresses, as it is stored.

`messages.audience_spec` holds the JSON of an `AudienceSpec`. The API turns what an admin wrote (ids with
their prefixes) into one; the scheduler reads it when the message starts; the sender reads recipients' data.
"""

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType, json

from gateway.campaigns.expressions import Expression

MAX_NAMED = 10_000  # ids in one audience


class Recipient(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Everyone who identified as `external_id`, with what is theirs alone."""

    external_id: str
    data: dict[str, Any] = {}


_PAIRS = (
    {"failures_of", "external_ids"},
    {"failures_of", "recipients"},
    {"failures_of", "uploaded"},
    {"subscriptions", "recipients"},
    {"automation", "round"},
)


class AudienceSpec(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Exactly one of the fields is set; ValueError (msgspec: ValidationError) otherwise. Ids are distinct.

    `round` stands with `automation` only.

    With `failures_of` alone one of `external_ids`, `recipients` and `uploaded` may stand: as what those whom
    the other message did not reach had been addressed, with their data. `outcomes` narrows it to those that
    ended so.
    `recipients` may also stand with `subscriptions`: those get it, with the data of whom they are (a test).
    """

    all: Literal[True] | UnsetType = UNSET
    subscriptions: tuple[int, ...] | UnsetType = UNSET
    external_ids: tuple[str, ...] | UnsetType = UNSET
    recipients: tuple[Recipient, ...] | UnsetType = UNSET
    segment: int | UnsetType = UNSET  # whom it means when the message starts (messages.resolved)
    where: Expression | UnsetType = UNSET
    automation: int | UnsetType = UNSET  # of a step of one: visitors come in by themselves
    round: int | UnsetType = UNSET  # those who have been in it so often before; nothing: who is new
    uploaded: int | UnsetType = UNSET  # a list of storage.recipients, of so many `names`; 0: not there yet
    names: int | UnsetType = UNSET
    failures_of: int | UnsetType = UNSET  # a message of the same site: those whom it did not reach
    outcomes: tuple[str, ...] | UnsetType = UNSET
    withdrawal_of: int | UnsetType = UNSET  # a message of the same site: who may still be about to get it

    def __post_init__(self) -> None:
        given = {name for name in self.__struct_fields__ if getattr(self, name) is not UNSET}
        if "failures_of" in given:
            given.discard("outcomes")
        if "uploaded" in given:
            given.discard("names")
        if (len(given) != 1 and given not in _PAIRS) or given in ({"outcomes"}, {"round"}):
            raise ValueError("an audience is exactly one of " + ", ".join(self.__struct_fields__))

    def asks_for(self, outcome: str | None) -> bool:
        """Whether a delivery of `failures_of` that ended so is to be made once more."""
        return self.outcomes is UNSET or outcome in self.outcomes

    @property
    def named_external_ids(self) -> tuple[str, ...] | None:
        """The external ids that are asked for by name, with or without data; None when none are."""
        if self.external_ids is not UNSET:
            return self.external_ids
        if self.recipients is not UNSET:
            return tuple(recipient.external_id for recipient in self.recipients)
        return None

    @property
    def data_of(self) -> Mapping[str, dict[str, Any]]:
        """What each recipient is to be told, by external id; empty for audiences without data."""
        if self.recipients is UNSET:
            return {}
        return {recipient.external_id: recipient.data for recipient in self.recipients}


_DECODER = json.Decoder(AudienceSpec)
_ENCODER = json.Encoder()


def read_audience(stored: str) -> AudienceSpec:
    """What `write_audience` stored."""
    return _DECODER.decode(stored)


def uploaded_list(stored: str) -> int | None:
    """The id of the list of recipients that `write_audience` has stored; None when the audience is another's.

    Cheap for those: nothing is parsed.
    """
    if '"uploaded":' not in stored:
        return None
    return read_audience(stored).uploaded or None


def write_audience(spec: AudienceSpec) -> str:
    return _ENCODER.encode(spec).decode()
