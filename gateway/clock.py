"""Time as the gateway sees it, injected wherever it matters so that tests decide what time it is."""

import time
from typing import Protocol


class Clock(Protocol):
    def now(self) -> int:
        """Milliseconds since the epoch, UTC. May jump when the machine's clock is set."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment; never goes backwards. For durations and time-outs.

        Goes on while the machine sleeps: leases on another machine's database do, too.
        """


# time.monotonic stands still while a Linux machine is suspended.
_MONOTONIC = getattr(time, "CLOCK_BOOTTIME", None)


class SystemClock:
    def now(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic() if _MONOTONIC is None else time.clock_gettime(_MONOTONIC)
