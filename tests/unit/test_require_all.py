"""The rule of tests/conftest.py: on a machine that has everything, a skip is a failure."""

from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"
SKIPS = """
import pytest
def test_without_a_browser(): pytest.skip("firefox-esr is missing")
@pytest.mark.xfail(reason="known")
def test_known(): assert False
def test_fine(): pass
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    hooks = CONFTEST.read_text().partition('@pytest.fixture(scope="session")')[0]
    pytester.makeconftest(hooks.replace('pytest_plugins = ["pytester"]', ""))
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    pytester.makepyfile(test_one=SKIPS, test_two="import pytest\npytest.importorskip('no_such_module')\n")
    return pytester


def test_a_skip_is_a_skip_without_the_variable(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUIRE_ALL", raising=False)
    project.runpytest_inprocess("-rs").assert_outcomes(passed=1, skipped=2, xfailed=1)


def test_a_skip_fails_and_says_what_is_missing_when_all_is_required(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUIRE_ALL", "1")
    result = project.runpytest_inprocess("--continue-on-collection-errors")
    result.assert_outcomes(passed=1, failed=1, errors=1, xfailed=1)
    result.stdout.fnmatch_lines(["*REQUIRE_ALL=1 allows no skip, but: *firefox-esr is missing*"])
