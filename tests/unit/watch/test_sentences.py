import re
from pathlib import Path

import pytest

from gateway.watch.bands import Band, Sample
from gateway.watch.looks import Key
from gateway.watch.names import CLICK_RATE, DISPLAY_RATE, FAILURE_RATE, NAMES, PRUNE_RATE
from gateway.watch.sentences import LOOK_AT, of_ratio, percent

RUNBOOK = Path(__file__).resolve().parents[3] / "docs" / "runbook.md"


def test_every_alert_says_what_to_look_at_and_has_a_section_in_the_runbook() -> None:
    sections = set(re.findall(r"^### (\w+)$", RUNBOOK.read_text(), re.MULTILINE))
    assert set(LOOK_AT) == set(NAMES) <= sections
    assert all(
        sentences and all(each.endswith((".", "?")) for each in sentences) for sentences in LOOK_AT.values()
    )


@pytest.mark.parametrize("name", [DISPLAY_RATE, CLICK_RATE, FAILURE_RATE, PRUNE_RATE])
def test_a_rate_is_told_in_one_sentence_with_what_is_usual(name: str) -> None:
    told = of_ratio(Key(name, 1, "wns"), Sample(0, 1_000, 200), Band(0.3, 0.4, 0.5), 7)
    assert "20 %" in told.summary
    assert told.summary.endswith("usually 40 %.")
    assert (told.low, told.high) == ((0.3, None) if name in (DISPLAY_RATE, CLICK_RATE) else (None, 0.5))


def test_small_shares_can_be_told_apart() -> None:
    assert [percent(share) for share in (0.0, 0.0021, 0.0213, 0.1, 0.667, 1.0)] == [
        "0 %",
        "0.21 %",
        "2.1 %",
        "10 %",
        "67 %",
        "100 %",
    ]
