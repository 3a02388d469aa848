"""A child to supervise: `python -m tests.unit.supervised_child PIPE OWNER FOLDER MODE`.

Leaves a file named after its owner, holding its process id and niceness, and adds how it ended.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from gateway.supervise import exit_on_parent_death


async def live(pipe: int, note: Path, mode: str) -> None:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[str] = loop.create_future()
    exit_on_parent_death(pipe, lambda: ended.set_result("parent gone"))
    if mode != "stubborn":
        loop.add_signal_handler(signal.SIGTERM, lambda: ended.set_result("told to stop"))
    else:
        loop.add_signal_handler(signal.SIGTERM, lambda: None)
    draft = note.with_suffix(".draft")
    draft.write_text(f"{os.getpid()} {os.nice(0)}\n")
    draft.rename(note)
    if mode == "crashing":
        sys.exit(3)
    how = await ended
    with note.open("a") as file:
        file.write(how)


if __name__ == "__main__":
    pipe, owner, folder, mode = sys.argv[1:]
    asyncio.run(live(int(pipe), Path(folder) / owner, mode))
