from gateway.cost import SHOWN, WEIGHED, SiteCost
from storage.ids import Kind, encode_id


class Work:
    """A process that uses what the test says."""

    def __init__(self) -> None:
        self.used = 100.0
        self.cost = SiteCost(lambda: self.used)

    def interval(self, seconds: float, **messages: int) -> None:
        """CPU seconds in which so many messages of `site_1`, … were recorded; then somebody looks."""
        self.used += seconds
        self.cost.add({int(name.removeprefix("site_")): count for name, count in messages.items()})
        self.shown()

    def shown(self, family: str = "gateway_site_cpu_seconds") -> dict[str, float]:
        return {
            sample.labels["site"]: round(sample.value, 6)
            for each in self.cost.collect()
            if each.name == family
            for sample in each.samples
        }


def site(id: int) -> str:
    return encode_id(Kind.SITE, id)


def test_time_is_shared_out_by_messages() -> None:
    work = Work()
    work.interval(2.0, site_1=300, site_2=100)
    work.interval(1.0, site_2=10)
    assert work.shown() == {"none": 0.0, "other": 0.0, site(1): 1.5, site(2): 1.5}
    assert work.shown("gateway_site_messages") == {"none": 0, "other": 0, site(1): 300, site(2): 110}


def test_time_in_which_nothing_was_sent_is_nobodys() -> None:
    work = Work()
    work.interval(0.25)
    assert work.shown() == {"none": 0.25, "other": 0.0}


def test_all_time_is_somebodys_and_the_number_of_lines_is_bounded() -> None:
    work = Work()
    for start in range(1, 3_000, 100):
        work.interval(1.0, **{f"site_{id}": 1 + id % 7 for id in range(start, start + 100)})
    shown = work.shown()
    assert len(shown) == SHOWN + 2
    assert round(sum(shown.values()), 3) <= 30.0
    assert len(work.cost._weights) <= WEIGHED


def test_a_site_that_costs_twice_as_much_takes_the_line_of_the_cheapest() -> None:
    work = Work()
    work.interval(20.0, **{f"site_{id}": 10 for id in range(1, SHOWN + 1)})
    work.interval(0.1, site_99=10)
    assert site(99) not in work.shown()
    assert work.shown()["other"] == 0.1
    work.interval(2.5, site_99=10)
    shown = work.shown()
    assert shown[site(99)] == 2.5
    assert len(shown) == SHOWN + 2
    assert shown["other"] == 0.1
