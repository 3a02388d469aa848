"""Kills and faults for as long as one likes; a table; exit code 1 when anything was lost or miscounted.

    python -m loadtest.chaos [--rounds N] [--kind kills|cancel|pause|standstill|disk]
                             [--database sqlite|postgres] [--subscribers N] [--seed N]

A round is one broadcast to N subscribers through a fresh gateway with two senders on SQLite, or two such
gateways on one PostgreSQL. `kills` draws its faults by chance; the seed says which, the moments follow the
number of POSTs. `cancel` cancels in the middle. `pause` pauses and resumes at any moments, half of the times
with a kill. `standstill` stops a sender's process for longer than its leases. `disk` (SQLite) fills the disk
in the middle, twice.
"""

import argparse
import asyncio
import logging
import random
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from loadtest.chaos.disk import SmallFiles, small_disk
from loadtest.chaos.faults import ON_POSTGRES, ON_SQLITE, draw
from loadtest.chaos.full_disk import run_full_disk
from loadtest.chaos.halts import draw_pauses, run_pauses, run_standstill
from loadtest.chaos.postgres import Postgres, running_postgres
from loadtest.chaos.rounds import HEAD, Round, run_cancel, run_kills
from loadtest.chaos.stand import open_stand
from loadtest.sink import find_nginx

FAULTS = (4, 7)  # in a round, at least and at most
PAUSES = (3, 6)


async def play(kind: str, subscribers: int, seed: int, postgres: Postgres | None) -> Round:
    chance = random.Random(seed)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-chaos-")))
        if kind == "disk":
            disk = stack.enter_context(small_disk(folder / "disk", subscribers))
            async with open_stand(folder, data=None if disk is None else disk.folder) as stand:
                small = disk or SmallFiles(folder, stand.gateways[0].processes)
                return await run_full_disk(stand, subscribers, small)
        async with open_stand(folder, postgres) as stand:
            if kind == "cancel":
                return await run_cancel(stand, subscribers, chance.uniform(0.05, 0.9))
            if kind == "pause":
                return await run_pauses(
                    stand, subscribers, draw_pauses(chance, chance.randint(*PAUSES)), seed
                )
            if kind == "standstill":
                return await run_standstill(stand, subscribers, chance.uniform(0.05, 0.8), seed)
            faults = ON_SQLITE if postgres is None else ON_POSTGRES
            moments = draw(chance, faults, chance.randint(*FAULTS))
            return await run_kills(stand, subscribers, moments, seed, hurry=False)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kind", choices=["kills", "cancel", "pause", "standstill", "disk"], default="kills")
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--subscribers", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1, help="of the first round; the next has the next")
    options = parser.parse_args()
    if options.kind == "disk" and options.database == "postgres":
        parser.error("--kind disk is for SQLite: PostgreSQL's disk is not the gateway's")
    # Its pool tells of every server that we restart, with a traceback.
    logging.getLogger("asyncpg").setLevel(logging.CRITICAL)
    if find_nginx() is None:
        raise SystemExit("nginx is not installed: apt-get install nginx-light")
    failed = 0
    with ExitStack() as stack:
        postgres = stack.enter_context(running_postgres()) if options.database == "postgres" else None
        print(HEAD, flush=True)
        for seed in range(options.seed, options.seed + options.rounds):
            result = asyncio.run(play(options.kind, options.subscribers, seed, postgres))
            print(f"| {seed} | {result}", flush=True)
            failed += bool(result.problems)
    print(f"\n{options.rounds} rounds, {failed} with a violation", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
