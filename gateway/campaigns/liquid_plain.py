"""Texts that only put values in, `Hello {{ attributes.name | default: 'there' }}`, put together by ourselves.

Most texts are like that, and the library takes five times as long for them. What is not quite as plain, in
the text or in a value, is left to it: this never decides how anything looks, it says the same sooner.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple
from urllib.parse import quote

from liquid.ast import Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import FilteredExpression, Path, StringLiteral
from liquid.builtin.expressions.arguments import PositionalArgument
from liquid.builtin.expressions.filtered import Filter
from liquid.builtin.output import OutputNode

WHOLE_URL: Final = "!#$%&'()*+,/:;=?@[]~"  # what a value that begins a URL keeps: it is one itself

_MOST: Final = 1_000  # characters: longer ones are counted by the library, in bytes
_OF_ANYTHING: Final = frozenset({"first", "last", "size"})  # what a path may ask of texts and lists, too


class Put(NamedTuple):
    """A value that is put in: where it is found, and what stands there when there is none."""

    root: str
    keys: Sequence[str]
    default: str


Parts = Sequence[str | Put]


def plain_parts(nodes: Sequence[Node]) -> Parts | None:
    """The parts of a text, None when it is not plain."""
    parts: list[str | Put] = []
    for node in nodes:
        part = node.text if isinstance(node, ContentNode) else _put(node)
        if part is None:
            return None
        parts.append(part)
    return parts


def put_together(parts: Parts, values: Mapping[str, object], *, is_url: bool) -> str | None:
    """The text for one recipient; None: the library has to make it."""
    text = ""
    for part in parts:
        if isinstance(part, str):
            text += part
            continue
        root, keys, default = part
        value = values.get(root)
        for key in keys:
            if type(value) is not dict:
                return None
            value = value.get(key)
        if value is None:
            put = default
        elif type(value) is str:
            put = value or default
        elif type(value) is int:
            put = str(value)
        else:
            return None
        text += quote(put, safe="" if text else WHOLE_URL) if is_url else put
    return text if len(text) <= _MOST else None


def _put(node: Node) -> Put | None:
    if not isinstance(node, OutputNode) or type(node.expression) is not FilteredExpression:
        return None
    path, filters = node.expression.left, node.expression.filters or ()
    default = _default(filters)
    if type(path) is not Path or default is None:
        return None
    root, *keys = path.path
    names = [key for key in keys if isinstance(key, str) and key not in _OF_ANYTHING]
    return Put(root, names, default) if isinstance(root, str) and len(names) == len(keys) else None


def _default(filters: Sequence[Filter]) -> str | None:
    """What stands for nothing; None when something else is done to the value."""
    if not filters:
        return ""
    arguments = filters[0].args
    if len(filters) > 1 or filters[0].name != "default" or len(arguments) != 1:
        return None
    [argument] = arguments
    if isinstance(argument, PositionalArgument) and isinstance(argument.value, StringLiteral):
        return argument.value.value
    return None
