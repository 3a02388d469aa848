"""The names of categories: what a message says that it is, and what visitors leave."""

from typing import Annotated

from msgspec import Meta

CategoryName = Annotated[
    str,
    Meta(
        pattern="^[a-z0-9][a-z0-9_-]{0,63}(?!\\n)$",
        description="Small letters, digits, `-` and `_`: `offers`.",
    ),
]
