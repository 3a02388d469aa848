"""What each push service demands of a request, and how it says no: one module per service, strict on purpose.

A rule set is a function `judge(push, target, now)`; nothing here does I/O or keeps state.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from multidict import CIMultiDictProxy


@dataclass(frozen=True, slots=True)
class Push:
    """One request as it arrived at a push service."""

    method: str
    headers: CIMultiDictProxy[str]
    body: bytes

    def header(self, name: str) -> str:
        """The header's value; empty when it is missing."""
        return self.headers.get(name, "")


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer. `delay` is in seconds; `hang_up` closes the connection instead of answering."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay: float = 0.0
    hang_up: bool = False


@dataclass(slots=True)
class Target:
    """What a push service knows of a subscription: the rules look at nothing else."""

    origin: str
    application_server_key: bytes | None
    gone: bool = False


Judge = Callable[[Push, Target | None, int], Reply]
"""(request, its subscription or None when the path names none, seconds since the epoch) → the answer."""
