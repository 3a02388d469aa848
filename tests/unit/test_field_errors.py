from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta

from gateway.api.body import field_error


class _Said(msgspec.Struct):
    name: Annotated[str, Meta(min_length=1, max_length=100)] = "x"
    tags: Annotated[list[str], Meta(min_length=2, max_length=2)] = msgspec.field(default_factory=list)
    attributes: Annotated[dict[str, int], Meta(max_length=1)] = msgspec.field(default_factory=dict)
    rate: Annotated[float, Meta(gt=0, lt=0.5)] | None = None
    batch: Annotated[int, Meta(ge=1, le=500)] = 1


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"name": ""}, "It must not be empty."),
        ({"name": "x" * 101}, "At most 100 characters."),
        ({"tags": []}, "At least 2 entries."),
        ({"attributes": {"a": 1, "b": 2}}, "At most 1 entry."),
        ({"rate": 0.0}, "More than 0."),
        ({"rate": 0.5}, "Less than 0.5."),
        ({"batch": 0}, "At least 1."),
        ({"batch": 501}, "At most 500."),
    ],
)
def test_a_limit_is_said_in_words_for_people(said: dict[str, Any], sentence: str) -> None:
    with pytest.raises(msgspec.ValidationError) as raised:
        msgspec.convert(said, _Said)
    error = field_error(raised.value)
    assert (error.path, error.message) == (next(iter(said)), sentence)
