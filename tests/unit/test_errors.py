import importlib
import pkgutil
import re
from pathlib import Path

import gateway
from gateway.errors import (
    CannotStart,
    FieldError,
    GatewayError,
    InvalidRequest,
    NotFound,
    TooManyConnections,
    TooManyRequests,
    Unavailable,
)

ROW = re.compile(r"^\| <a id=\"(\w+)\"></a>`\1` \| (\d{3}) \|", re.MULTILINE)
DOCUMENTED = Path(__file__).parents[2] / "docs" / "errors.md"


def every_error(root: type[GatewayError] = GatewayError) -> set[type[GatewayError]]:
    return {root}.union(*(every_error(child) for child in root.__subclasses__()))


def test_every_error_that_http_may_answer_is_documented_with_its_status() -> None:
    for module in pkgutil.walk_packages(gateway.__path__, "gateway."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    answered = {
        (each.code, str(each.status))
        for each in every_error()
        if not issubclass(each, CannotStart) and each.__module__.startswith("gateway.")
    }
    assert set(ROW.findall(DOCUMENTED.read_text())) == answered


def test_two_errors_of_one_code_have_one_status() -> None:
    statuses: dict[str, set[int]] = {}
    for each in every_error():
        statuses.setdefault(each.code, set()).add(each.status)
    assert all(len(of_code) == 1 for of_code in statuses.values())


def test_an_error_without_a_sentence_says_its_title() -> None:
    assert NotFound().sentence == "There is no such resource."
    assert str(NotFound("There is no site site_x.")) == "There is no site site_x."


def test_an_invalid_request_says_where_it_is_wrong() -> None:
    error = InvalidRequest("One field is wrong.", [FieldError("options.ttl", "must be at least 1")])
    assert error.errors == (FieldError("options.ttl", "must be at least 1"),)


def test_what_may_be_repeated_says_when() -> None:
    assert TooManyRequests(retry_after=30).retry_after == 30
    assert Unavailable("The database is away.").retry_after == 5
    assert TooManyConnections(retry_after=2).retry_after == 2


def test_cannot_start_keeps_the_problems_apart_and_prints_one_a_line() -> None:
    error = CannotStart("A is wrong.", "B is wrong.")
    assert error.problems == ("A is wrong.", "B is wrong.")
    assert str(error) == "A is wrong.\nB is wrong."
