"""A round on a disk that is full twice: for a while, and while SIGTERM comes. Nothing may be repeated."""

import asyncio
import random
import time
from pathlib import Path

from loadtest.chaos.disk import Disk, Tmpfs, leave_no_room_in_the_log
from loadtest.chaos.faults import Havoc
from loadtest.chaos.gateway import REFUSED_TO_START
from loadtest.chaos.rounds import Broadcast, Round, broadcast, conclude, stop
from loadtest.chaos.stand import Stand

QUIET = 0.7  # seconds without a POST: sending has stopped
QUIET_WITHIN = 30.0
STOPPED = '"sending": "stopped"'  # in a sender's log, at the first flush that failed
LOOKS = 10  # answers of the API while the disk is full


async def run_full_disk(stand: Stand, subscribers: int, disk: Disk) -> Round:
    """What was in flight when a flush failed is recorded once there is room: the bound on repeats is 0."""
    havoc = Havoc(stand.gateways, stand.database_url, stand.postgres, random.Random(0), hurry=True)
    (gateway,) = stand.gateways
    async with broadcast(stand, subscribers) as sending:
        began = time.monotonic()
        await sending.frozen()
        await sending.posted(0.25)
        havoc.done.append("disk full")
        await _fill(sending, disk, havoc)
        disk.free()

        await sending.posted(0.6)
        havoc.done.append("disk full and SIGTERM to everything")
        await _fill(sending, disk, havoc)
        stopping = asyncio.create_task(gateway.stop(everybody=True), name="chaos-stop")
        await asyncio.sleep(QUIET)
        disk.free()
        code = await stopping
        if code != 0:
            havoc.violations.append(f"SIGTERM on a full disk: exit code {code}")
        await havoc.skip_leases()  # the scheduler could not give up its own

        if isinstance(disk, Tmpfs):
            havoc.done.append("start on a read-only disk")
            disk.set_read_only(True)
            starting = asyncio.create_task(gateway.start(), name="chaos-start")
            while gateway.exits[-1] != REFUSED_TO_START and not starting.done():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            disk.set_read_only(False)
            await starting
            gateway.exits.remove(REFUSED_TO_START)
        else:
            await gateway.start()
        ended = await sending.over(120)
        await havoc.settle()
        await sending.watch.look(gateway)
        seconds = time.monotonic() - began
    problems = await stop(stand)
    return await conclude(sending, havoc, ended, seconds, problems)


async def _fill(sending: Broadcast, disk: Disk, havoc: Havoc) -> None:
    """Returns when the senders have noticed and nothing is POSTed any more; progress is still shown."""
    sink, watch, (gateway,) = sending.stand.sink, sending.watch, sending.stand.gateways
    stops = gateway.log.read_text().count(STOPPED)
    leave_no_room_in_the_log(Path(sending.stand.database_url.removeprefix("sqlite:///")))
    disk.fill()
    loop = asyncio.get_running_loop()
    began = quiet_since = loop.time()
    posted, looks = sink.count(), watch.looks
    while loop.time() - quiet_since < QUIET or watch.looks < looks + LOOKS:
        if loop.time() - began > QUIET_WITHIN:
            havoc.violations.append("on a full disk sending went on, or progress was not shown")
            return
        await asyncio.sleep(0.05)
        if (now := sink.count()) != posted:
            posted, quiet_since = now, loop.time()
    if gateway.log.read_text().count(STOPPED) == stops:
        havoc.violations.append("no sender noticed that the disk was full")
