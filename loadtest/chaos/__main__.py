"""Kills and faults for as long as one likes; a table; exit code 1 when anything was lost or miscounted.

    python -m loadtest.chaos [--rounds N] [--database sqlite|postgres] [--subscribers N] [--seed N]

A round is one broadcast. Most are rounds of kills; every tenth cancels in the middle instead.
"""

import argparse
import asyncio
import random
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from loadtest.chaos.faults import ON_POSTGRES, ON_SQLITE, draw
from loadtest.chaos.postgres import Postgres, running_postgres
from loadtest.chaos.rounds import HEAD, Round, run_cancel, run_kills
from loadtest.chaos.stand import open_stand
from loadtest.sink import find_nginx

FAULTS = (4, 7)  # in a round, at least and at most


async def play(kind: str, subscribers: int, seed: int, postgres: Postgres | None) -> Round:
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="gateway-chaos-") as name:
        async with open_stand(Path(name), postgres) as stand:
            if kind == "cancel":
                return await run_cancel(stand, subscribers, chance.uniform(0.05, 0.9))
            faults = ON_SQLITE if postgres is None else ON_POSTGRES
            moments = draw(chance, faults, chance.randint(*FAULTS))
            return await run_kills(stand, subscribers, moments, seed, hurry=False)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kind", choices=["kills", "cancel"], default="kills")
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--subscribers", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1, help="of the first round; the next has the next")
    options = parser.parse_args()
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
