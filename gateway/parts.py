"""How the parts of a message fare: its variants, the rest that waits for the first, its withdrawal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.campaigns.rules import read_rules
from storage import rollups, stages, withdrawals
from storage.database import Transaction
from storage.messages import Message
from storage.stages import Stages


@dataclass(frozen=True, slots=True)
class Parts:
    """`variants`: counters by variant, by kind. `stages` None: nothing of it is held or watched.

    `withdrawal_id`: of the message that takes it back.
    """

    variants: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    stages: Stages | None = None
    withdrawal_id: int | None = None


NO_PARTS = Parts()


async def find_parts(tx: Transaction, found: Sequence[Message]) -> Mapping[int, Parts]:
    """By id those of the messages that have any. Others cost nothing."""
    ruled = {message.id: read_rules(message) for message in found if message.rules != "{}"}
    if not ruled:
        return {}
    watched = [id for id, rules in ruled.items() if rules.holds_the_rest or rules.auto_pause is not None]
    varied = [id for id, rules in ruled.items() if rules.variants is not None]
    by_stage = await stages.by_messages(tx, watched) if watched else {}
    by_variant = await rollups.by_variant(tx, varied) if varied else {}
    withdrawable = [id for id, rules in ruled.items() if rules.withdrawable]
    by_message = await withdrawals.last_of(tx, withdrawable) if withdrawable else {}
    return {
        id: Parts(by_variant.get(id, {}), by_stage.get(id), by_message[id].id if id in by_message else None)
        for id in {*watched, *varied, *by_message}
    }
