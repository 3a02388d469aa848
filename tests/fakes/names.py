"""A name server for aiohttp: a name means what the test says, and something else each time if it says so."""

import socket
from collections import defaultdict

from aiohttp.abc import AbstractResolver, ResolveResult


class FakeNames(AbstractResolver):
    """`asked` holds the names looked up. Of several answers each look-up gets the next; the last stays."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._answers: defaultdict[str, list[list[str]]] = defaultdict(list)

    def say(self, name: str, *answers: list[str]) -> None:
        self._answers[name] = list(answers)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        answers = self._answers[host]
        if not answers:
            raise OSError(None, "name or service not known")
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in found
        ]

    async def close(self) -> None:
        pass
