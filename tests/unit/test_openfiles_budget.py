import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import CannotStart
from gateway.openfiles import MINIMUM, derive_budget, open_files


@given(limit=st.integers(MINIMUM + 64, 2**31), serves=st.booleans(), children=st.integers(0, 32))
def test_the_shares_add_up_to_the_limit_and_none_is_starved(limit: int, serves: bool, children: int) -> None:
    budget = derive_budget(limit, serves=serves, children=children)
    assert budget.inbound + budget.outbound + budget.database + budget.reserve == budget.limit == limit
    assert budget.database >= 16
    assert budget.reserve >= 32 + children
    assert budget.outbound >= 8
    assert budget.inbound >= 40 if serves else budget.inbound == 0


def test_a_server_gives_most_to_visitors_and_a_sender_to_push_services() -> None:
    assert derive_budget(65_536, serves=True).inbound > 60_000
    assert derive_budget(65_536, serves=False).outbound > 60_000
    assert derive_budget(MINIMUM, serves=True).inbound == 40


def test_below_the_minimum_it_refuses_with_the_sentence_that_fixes_it() -> None:
    with pytest.raises(
        CannotStart, match=r"may have 95 files open, but needs 96 .* raise the hard limit to 65536"
    ):
        derive_budget(95, serves=True)
    with pytest.raises(CannotStart, match="needs 100"):
        derive_budget(99, serves=True, children=4)


def test_the_soft_limit_is_raised_to_the_hard_one() -> None:
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 200));"
        "from gateway.openfiles import raise_limit;"
        "print(raise_limit(), resource.getrlimit(resource.RLIMIT_NOFILE), raise_limit())"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=20
    )
    assert run.stdout.strip() == "200 (200, 200) 200"


def test_open_files_counts_what_this_process_has_open(tmp_path: Path) -> None:
    before = open_files(1_000)
    descriptors = [os.open(tmp_path, os.O_RDONLY) for _ in range(7)]
    assert open_files(1_000) == before + 7
    for each in descriptors:
        os.close(each)
    assert open_files(1_000) == before


def test_at_the_limit_the_count_is_the_limit() -> None:
    program = (
        "import os, resource; from gateway.openfiles import open_files;"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40));"
        "held = [os.open('/dev/null', os.O_RDONLY) for _ in range(40 - open_files(40))];"
        "print(open_files(40))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=20
    )
    assert run.stdout.strip() == "40"


def test_the_documentation_names_the_same_hard_limit() -> None:
    operations = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    section = operations.split("## Open files")[1].split("\n## ")[0]
    with pytest.raises(CannotStart) as caught:
        derive_budget(1, serves=True)
    (wanted,) = re.findall(r"LimitNOFILE=\d+", caught.value.sentence)
    assert wanted in section
