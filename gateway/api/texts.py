"""Texts that several requests hold, as types: the limits are checked and documented by the same words."""

from typing import Annotated

from msgspec import Meta

from gateway.subscription_fields import PRINTABLE

Name = Annotated[str, Meta(min_length=1, max_length=100, pattern=PRINTABLE)]
