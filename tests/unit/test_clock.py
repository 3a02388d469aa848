import time

import pytest

from gateway.clock import Clock, SystemClock
from tests.fakes.clock import FakeClock


def test_the_system_clock_counts_milliseconds_since_the_epoch() -> None:
    clock: Clock = SystemClock()
    assert abs(clock.now() - time.time() * 1_000) < 5_000
    assert clock.monotonic() <= clock.monotonic()


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="Linux has it")
def test_the_system_clock_goes_on_while_the_machine_sleeps() -> None:
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert before <= SystemClock().monotonic() <= time.clock_gettime(time.CLOCK_BOOTTIME)


def test_the_fake_clock_moves_both_hands_only_when_told() -> None:
    fake = FakeClock(now=1_000)
    clock: Clock = fake
    before = clock.monotonic()
    fake.advance(1.5)
    assert (clock.now(), clock.monotonic() - before) == (2_500, 1.5)
    fake.set_now(7)
    assert (clock.now(), clock.monotonic() - before) == (7, 1.5)
