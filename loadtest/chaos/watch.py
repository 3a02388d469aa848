"""Looks at the message through the API all the time: the seven add up, and nothing goes back."""

import asyncio
from collections.abc import Sequence
from typing import Any

from loadtest.chaos.gateway import Gateway, Refused

SEVEN = ("accepted", "gone", "failed", "expired", "skipped", "retrying", "remaining")
FINAL = ("accepted", "gone", "failed", "expired", "skipped")
LOOK_EVERY = 0.05  # seconds


class Watch:
    """`looks` were answered with a sum that was checked, `refused` were not answered."""

    def __init__(self, gateways: Sequence[Gateway], path: str) -> None:
        self._gateways = gateways
        self._path = path
        self._best = dict.fromkeys(FINAL, 0)
        self.message: dict[str, Any] = {}
        self.looks = 0
        self.refused = 0
        self.violations: list[str] = []

    @property
    def progress(self) -> dict[str, Any]:
        """As last seen; empty at first."""
        progress: dict[str, Any] = self.message.get("progress", {})
        return progress

    @property
    def frozen(self) -> bool:
        return self.progress.get("audience") is not None

    @property
    def ended(self) -> bool:
        """Whether it is over for everybody."""
        over = self.message.get("state") in ("sent", "cancelled")
        return over and self.progress["remaining"] == 0 and self.progress["retrying"] == 0

    async def run(self) -> None:
        """Runs until cancelled, asking one gateway after the other."""
        while True:
            for gateway in self._gateways:
                await self.look(gateway)
                await asyncio.sleep(LOOK_EVERY)

    async def look(self, gateway: Gateway) -> None:
        try:
            message = await gateway.call("GET", self._path)
        except Refused:
            self.refused += 1
            return
        self.message = message
        if self.frozen:
            self.looks += 1
            self._check(self.progress)

    def _check(self, progress: dict[str, Any]) -> None:
        numbers = [progress[name] for name in SEVEN]
        if progress["audience"] != sum(numbers) or min(numbers) < 0:
            self.violations.append(f"does not add up: {progress}")
        for name in FINAL:
            if progress[name] < self._best[name]:
                self.violations.append(f"{name} went back from {self._best[name]}: {progress}")
            self._best[name] = progress[name]
