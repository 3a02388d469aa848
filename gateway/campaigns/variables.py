"""The `variables` of a template, put into its texts when a message is made of it. Pure.

What a text says of `variables` alone is rendered at once. Where it also says something of the recipient, each
`variables.x` becomes what it stands for (`{{ attributes.name | default: variables.x }}` a literal) and the
rest stays as it was, to be rendered for each recipient: the message then needs its template no more.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from liquid import BoundTemplate
from liquid.exceptions import LiquidError
from liquid.output import LimitedStringIO
from liquid.undefined import StrictDefaultUndefined

from gateway.campaigns.liquid import (
    VARIABLES,
    ClosedEnvironment,
    Context,
    TemplateError,
    check_marks,
    check_nodes,
    parse_text,
    render_nodes,
)
from gateway.errors import FieldError

NAME: Final = "variables"
MOST_FILLED: Final = 16_384  # of one text
_MARKUP: Final = re.compile(r"\{\{|\{%")
_DELIMITER: Final = re.compile(r"\{\{|\}\}|\{%|%\}")
_STEP: Final = r"""\s*\.\s*[\w-]+\??|\s*\[\s*(?:-?\d+|'[^']*'|"[^"]*")\s*\]"""
_PATH: Final = re.compile(rf"{NAME}(?:{_STEP})*(?!\s*[\[.])")
_OPEN, _CLOSE = re.compile(r"\{\{\s*\Z"), re.compile(r"\s*\}\}")
_DEFAULT: Final = re.compile(r"\s*\|\s*default\b")


class _Environment(ClosedEnvironment):
    """The tags and filters of messages, and no more: a template runs in the API's own process."""

    output_stream_limit = MOST_FILLED
    local_namespace_limit = 16_384
    context_depth_limit = 10


_ENVIRONMENT = _Environment(undefined=StrictDefaultUndefined)


class CannotFill(Exception):
    """A text whose variables cannot be put in; the sentence says why."""


def fill(value: Any, path: str, variables: Mapping[str, Any], errors: list[FieldError]) -> Any:
    """JSON with the variables put into each text of it; what is wrong is added to `errors`, with its path."""
    return _fill(value, path, variables, Context({NAME: variables}, _NOTHING), errors)


def _fill(
    value: Any, path: str, variables: Mapping[str, Any], context: Context, errors: list[FieldError]
) -> Any:
    """One context for all texts: it counts what they do together."""
    if isinstance(value, str):
        try:
            return fill_text(value, variables, context)
        except CannotFill as exc:
            errors.append(FieldError(path, str(exc)))
            return value
    if isinstance(value, dict):
        return {
            name: _fill(each, f"{path}.{name}", variables, context, errors) for name, each in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [
            _fill(each, f"{path}[{place}]", variables, context, errors) for place, each in enumerate(value)
        ]
    return value


def fill_text(text: str, variables: Mapping[str, Any], context: Context | None = None) -> str:
    """CannotFill: the text is no Liquid, a variable is missing, or what it holds does not fit."""
    template, names = _read(text)
    if NAME not in names:
        return text
    try:
        if names == {NAME}:
            buffer = LimitedStringIO(MOST_FILLED, newline="")  # as it is
            filled = render_nodes(template.nodes, context or Context({NAME: variables}, _NOTHING), buffer)
        else:
            filled = _put_in(template, text, variables)
    except CannotFill:
        raise
    except Exception as exc:  # also whatever a filter makes of a value that it was not meant for
        raise CannotFill(_sentence(exc)) from exc
    if names == {NAME} and _DELIMITER.search(filled):
        raise CannotFill("Variables hold text, no Liquid: {{ and {% have no place in them.")
    return filled


def check(value: Any, path: str) -> list[FieldError]:
    """What is wrong with the texts of a template, whatever its variables may be."""
    errors: list[FieldError] = []
    if isinstance(value, str):
        try:
            parse_text(value, variables=(*VARIABLES, NAME))
        except TemplateError as exc:
            errors.append(FieldError(path, f"Line {exc.line}: {exc}."))
    elif isinstance(value, dict):
        for name, each in value.items():
            errors += check(each, f"{path}.{name}")
    elif isinstance(value, (list, tuple)):
        for place, each in enumerate(value):
            errors += check(each, f"{path}[{place}]")
    return errors


def _read(text: str) -> tuple[BoundTemplate, set[str]]:
    """The text as Liquid, and what it says something of."""
    if not _MARKUP.search(text):
        return _NOTHING, set()
    try:
        check_marks(text)
        template = _ENVIRONMENT.from_string(text)
        for node in template.nodes:
            check_nodes(node, text)
        return template, set(template.analyze().globals)
    except (LiquidError, TemplateError, RecursionError) as exc:
        raise CannotFill(_sentence(exc)) from exc


_NOTHING = _ENVIRONMENT.from_string("")


def _put_in(template: BoundTemplate, text: str, variables: Mapping[str, Any]) -> str:
    """Each `variables.x` replaced by what it stands for, from the last to the first."""
    found = sorted(template.analyze().globals[NAME], key=lambda each: each.span.index, reverse=True)
    for each in found:
        start = each.span.index
        path = _PATH.match(text, start)
        steps = each.segments[1:]
        if path is None or not all(isinstance(step, (str, int)) for step in steps):
            raise CannotFill(f"{each} depends on the recipient: name the variable.")
        value = _look_up(variables, steps)
        before, after = text[:start], text[path.end() :]
        if value is None and not _DEFAULT.match(after):
            raise CannotFill(f"'{each}' is undefined.")
        opened, closed = _OPEN.search(before), _CLOSE.match(after)
        if opened and closed:  # nothing but the variable: text from now on, as far as it is some
            literal = _text(value, str(each))
            text = before[: opened.start()] + literal + after[closed.end() :]
        else:
            text = before + _literal(value, str(each)) + after
        if len(text) > MOST_FILLED:
            raise CannotFill(f"With these variables this grows beyond {MOST_FILLED} characters.")
    return text


def _look_up(variables: Mapping[str, Any], steps: list[Any]) -> Any:
    value: Any = variables
    for step in steps:
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and -len(value) <= step < len(value):
            value = value[step]
        else:
            return None
    return value


def _literal(value: Any, name: str) -> str:
    """As Liquid writes it."""
    if value is None:
        return "nil"
    if not isinstance(value, str):
        return _text(value, name)
    text = _text(value, name)
    quote = "'" if '"' in text else '"'
    if quote in text:
        raise CannotFill(f"'{name}' holds both kinds of quotes: it can only stand in {{{{ }}}} of its own.")
    return f"{quote}{text}{quote}"


def _text(value: Any, name: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, (str, int, float)):
        raise CannotFill(f"'{name}' is no text or number: beside the recipient's own only those can stand.")
    if _DELIMITER.search(str(value)):
        raise CannotFill("Variables hold text, no Liquid: {{ and {% have no place in them.")
    return str(value)


def _sentence(exc: Exception) -> str:
    if isinstance(exc, RecursionError):
        return "This is nested too deeply."
    text = str(exc).strip().splitlines()[0].rstrip(".") if str(exc).strip() else type(exc).__name__
    return f"{text[:200]}."
