from gateway.ceiling import HourlyCeiling
from tests.fakes.clock import FakeClock


def test_a_site_reaches_its_ceiling_alone_and_for_the_hour() -> None:
    clock = FakeClock()
    ceiling = HourlyCeiling(clock, 2)
    for _ in range(2):
        assert not ceiling.is_reached(1)
        ceiling.count(1)
    assert ceiling.is_reached(1)
    assert not ceiling.is_reached(2)
    wait = ceiling.refusal().retry_after
    clock.advance(wait - 1)
    assert ceiling.is_reached(1)
    clock.advance(1)
    assert not ceiling.is_reached(1)
