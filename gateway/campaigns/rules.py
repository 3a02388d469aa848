"""The rules of a message: who gets it and when, beyond audience, `send_at` and `expires_at`.

One struct for the request that sets them, for the column `messages.rules` that keeps them, and for the answer
that shows them. A rule that is not given costs nothing: most messages store `{}`.
"""

from typing import Annotated

from msgspec import Meta, Struct, json

from storage.messages import Message


class Rules(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Every field has a default that stands for "no such rule"."""

    dry_run: Annotated[
        bool, Meta(description="Everything but the push: whoever would be sent to counts as skipped.")
    ] = False


_DECODER = json.Decoder(Rules)
_ENCODER = json.Encoder()
_NONE = Rules()


def read_rules(message: Message) -> Rules:
    """What `write_rules` stored."""
    return _NONE if message.rules == "{}" else _DECODER.decode(message.rules)


def write_rules(rules: Rules) -> str:
    return _ENCODER.encode(rules).decode()
