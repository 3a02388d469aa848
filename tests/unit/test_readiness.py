import asyncio

from gateway.commands.readiness import all_run, goes_on, somebody_sends


async def test_a_part_that_ended_is_named() -> None:
    lasting = asyncio.create_task(asyncio.Event().wait(), name="accept")
    ended = asyncio.create_task(asyncio.sleep(0), name="scheduler")
    assert all_run([lasting, ended]) is None  # type: ignore[list-item]
    await ended
    assert all_run([lasting, ended]) == "Ended, the log says why: scheduler."  # type: ignore[list-item]
    lasting.cancel()


def test_somebody_must_send_where_senders_are_wanted() -> None:
    assert somebody_sends({}, 2) == "No sender process runs; the log says why."
    assert somebody_sends({"sender-0": 17}, 2) is None
    assert somebody_sends({}, 0) is None


async def test_who_is_told_to_stop_gets_no_more_requests() -> None:
    stop = asyncio.Event()
    assert goes_on(stop) is None
    stop.set()
    assert goes_on(stop) == "The gateway is stopping."
