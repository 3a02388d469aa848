"""The short version of `make chaos`: real processes, real kills, a push service that remembers every POST.

Leases of killed and stopped senders run out at once (`hurry`): here nobody waits the half minute that they
last. Everything else is as in the long version.
"""

from contextlib import ExitStack
from pathlib import Path

from loadtest.chaos.disk import SmallFiles, small_disk
from loadtest.chaos.faults import Fault, Moment
from loadtest.chaos.full_disk import run_full_disk
from loadtest.chaos.halts import Pause, run_pauses
from loadtest.chaos.postgres import Postgres
from loadtest.chaos.rounds import Round, run_cancel, run_kills
from loadtest.chaos.sink import Pace
from loadtest.chaos.stand import open_stand

SUBSCRIBERS = 5_000
# Slow enough for every fault to come in the middle. Retries take seconds: one test has a few.
PACE = Pace(rate=2_500, flapping=0)
WITHIN = 60.0  # seconds: a hang must not hold the suite


def check(result: Round) -> None:
    """Nobody lost, nobody repeated beyond what the kills may, every counter exact: or it says what."""
    assert not result.problems, result.problems
    assert result.verdict.lost == 0
    assert result.verdict.exact
    assert result.verdict.repeated <= result.bound


async def test_kills_and_stops_lose_nobody_and_repeat_no_more_than_the_bound(tmp_path: Path) -> None:
    moments = [
        Moment(0.05, Fault.PAUSE_SENDER),
        Moment(0.25, Fault.KILL_SENDER),
        Moment(0.4, Fault.KILL_API),
        Moment(0.6, Fault.KILL_ALL),
        Moment(0.8, Fault.STOP_ALL),
    ]
    async with open_stand(tmp_path, pace=Pace(rate=2_500, flapping=0.1)) as stand:
        result = await run_kills(stand, SUBSCRIBERS, moments, 1, hurry=True, within=WITHIN)
    check(result)
    assert result.kills >= 4


async def test_two_gateways_on_postgres_outlive_a_kill_and_a_restart_of_the_database(
    postgres: Postgres, tmp_path: Path
) -> None:
    moments = [
        Moment(0.15, Fault.KILL_GATEWAY),
        Moment(0.4, Fault.RESTART_DATABASE),
        Moment(0.7, Fault.KILL_API),
    ]
    async with open_stand(tmp_path, postgres, pace=PACE) as stand:
        result = await run_kills(stand, SUBSCRIBERS, moments, 1, hurry=True, within=WITHIN)
    check(result)
    assert result.kills >= 2


async def test_a_second_after_a_cancel_nothing_is_posted_any_more(tmp_path: Path) -> None:
    async with open_stand(tmp_path, pace=PACE) as stand:
        result = await run_cancel(stand, SUBSCRIBERS, 0.3)
    check(result)
    assert 0.3 * SUBSCRIBERS <= result.verdict.posted < SUBSCRIBERS


async def test_pauses_with_a_kill_are_silent_and_lose_and_repeat_nobody_beyond_the_bound(
    tmp_path: Path,
) -> None:
    pauses = [Pause(0.1, 1.2, kill_after=0.1), Pause(0.5, 1.2)]
    async with open_stand(tmp_path, pace=PACE) as stand:
        result = await run_pauses(stand, SUBSCRIBERS, pauses, 1, within=WITHIN)
    check(result)
    assert result.kills == 1


async def test_a_full_disk_stops_the_sending_and_loses_and_repeats_nobody(tmp_path: Path) -> None:
    with ExitStack() as stack:
        # So many that two senders cannot have the last of them in flight when the disk is full again.
        disk = stack.enter_context(small_disk(tmp_path / "disk", 2 * SUBSCRIBERS))
        async with open_stand(tmp_path, pace=PACE, data=None if disk is None else disk.folder) as stand:
            small = disk or SmallFiles(tmp_path, stand.gateways[0].processes)
            result = await run_full_disk(stand, 2 * SUBSCRIBERS, small)
    check(result)
    assert (result.bound, result.verdict.repeated) == (0, 0)
