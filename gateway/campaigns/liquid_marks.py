"""Where Liquid begins and ends in a text: looked at before the library does, which takes its time.

Its lexer searches for what closes a mark from every mark again, and goes back over blanks: seconds for
16 kB of nothing but `{{`. This is one walk over the text.
"""

import re
from typing import Final

MOST_INSIDE: Final = 1_000  # characters between `{{` and `}}`, `{%` and `%}`
MOST_BLANKS: Final = 64  # on end, inside of these

_OPENED: Final = re.compile(r"\{\{|\{%(?:-?\s*(raw|doc)\s*-?%\})?")
_ENDS: Final = {name: re.compile(rf"\{{%-?\s*end{name}\s*-?%\}}") for name in ("raw", "doc")}
_WIDE: Final = re.compile(rf"\s{{{MOST_BLANKS + 1}}}")


def find_bad_mark(source: str) -> tuple[str, int] | None:
    """The first mark that is never closed, or holds more than any text needs: why, and where it begins."""
    at = 0
    while (opened := _OPENED.search(source, at)) is not None:
        start, name = opened.start(), opened[1]
        if name is not None:  # up to its end nothing is a mark
            ended = _ENDS[name].search(source, opened.end())
            if ended is None:
                return f"`{name}` is never closed", start
            at = ended.end()
            continue
        closing = "}}" if opened[0] == "{{" else "%}"
        end = source.find(closing, opened.end())
        if end < 0:
            return f"expected '{closing}', found the end of the text", start
        if end - opened.end() > MOST_INSIDE:
            return f"more than {MOST_INSIDE} characters stand between `{opened[0]}` and `{closing}`", start
        if _WIDE.search(source, start, end) is not None:
            return f"more than {MOST_BLANKS} blanks on end stand after `{opened[0]}`", start
        at = end + len(closing)
    return None
