"""A gateway at a low limit of open files: `python -m tests.unit.watch.low_limit_gateway LIMIT FOLDER`.

Looks at itself five times a second instead of four times a minute. Prints its port, stops when its standard
input ends.
"""

import asyncio
import resource
import sys
from pathlib import Path

import uvloop

from gateway.access import ensure_admin_token
from gateway.api.browser import BROWSERS
from gateway.api.server import build_application, make_runner
from gateway.app import open_context
from gateway.clock import SystemClock
from gateway.commands.vitals import of_server
from gateway.openfiles import Acceptor, derive_budget, listen, raise_limit
from gateway.scheduler.scheduler import SchedulerTiming, run_scheduler
from gateway.settings import Settings
from gateway.supervise import Supervisor
from gateway.watch.vitals import vitals_reported

EVERY = 0.2
ADMIN_TOKEN = "wpg_the-admin-token-of-the-drill"


async def nothing(owner: str) -> None:
    raise AssertionError(f"{owner} was never started")


async def serve(folder: Path) -> None:
    budget = derive_budget(raise_limit(), serves=True)
    async with open_context(Settings(data_dir=folder, admin_token=ADMIN_TOKEN, senders=0)) as context:
        await ensure_admin_token(context)
        app = build_application(context)
        runner = make_runner(app, shutdown_timeout=1)
        await runner.setup()
        assert runner.server is not None
        listeners = listen("127.0.0.1", 0)
        acceptor = Acceptor(listeners, runner.server, budget.inbound)
        nobody = Supervisor(lambda pipe, owner: (owner, str(pipe)), 0, nothing, SystemClock())
        said = of_server(budget, acceptor, app[BROWSERS].ingest.counts, nobody)
        stop = asyncio.Event()
        async with vitals_reported(context, "drill", "api", said, EVERY), asyncio.TaskGroup() as tasks:
            accepting = tasks.create_task(acceptor.run())
            tasks.create_task(
                run_scheduler(context, stop, owner="drill", timing=SchedulerTiming(watch_every=EVERY))
            )
            print(listeners[0].getsockname()[1], flush=True)
            await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
            stop.set()
            accepting.cancel()
        await runner.cleanup()


if __name__ == "__main__":
    limit = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    uvloop.run(serve(Path(sys.argv[2])))
