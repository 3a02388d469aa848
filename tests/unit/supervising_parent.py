"""A parent for one child, on uvloop: `python -m tests.unit.supervising_parent FOLDER`."""

import sys

import uvloop

from gateway.clock import SystemClock
from gateway.supervise import Supervisor


async def nobody_to_tell(owner: str) -> None:
    """This parent has no database."""


def command(pipe: int, owner: str) -> list[str]:
    return [sys.executable, "-m", "tests.unit.supervised_child", str(pipe), owner, sys.argv[1], "good"]


if __name__ == "__main__":
    uvloop.run(Supervisor(command, 1, nobody_to_tell, SystemClock()).run())
