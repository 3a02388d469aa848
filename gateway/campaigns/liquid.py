"""Liquid as messages may use it: a closed part of the language, whose work for one recipient is bounded.

No includes, no clock, nothing that reads beyond the variables it is given. Each text of a notification is a
template of its own; all of one recipient are rendered in one `Reading`, which counts what they do together.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TextIO
from urllib.parse import quote

from liquid import BoundTemplate, Environment, RenderContext
from liquid.ast import BlockNode, Node
from liquid.builtin.content import ContentNode, Literal
from liquid.builtin.expressions import FilteredExpression, LoopExpression
from liquid.builtin.expressions.filtered import Filter
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.builtin.illegal import Illegal
from liquid.builtin.output import Output, OutputNode
from liquid.builtin.tags import assign_tag, capture_tag, case_tag, comment_tag, for_tag, if_tag, unless_tag
from liquid.builtin.tags.inline_comment_tag import InlineCommentTag
from liquid.exceptions import LiquidError, LoopIterationLimitError, ResourceLimitError
from liquid.expression import Expression
from liquid.output import LimitedStringIO
from liquid.token import Token

from gateway.campaigns.liquid_filters import FILTERS, Encoded, size_of, text_of
from gateway.campaigns.liquid_marks import find_bad_mark
from gateway.campaigns.liquid_plain import WHOLE_URL, plain_parts, put_together

MOST_OUTPUT: Final = 4_096  # bytes of one text: more than a push can carry
# Characters of template that the loops in all texts of one recipient may go through: about 10 ms at worst.
MOST_LOOPED: Final = 50_000
MOST_FILTERED: Final = 200_000  # characters that the filters in all of them may be given: as long again
MOST_LOCALS: Final = 16_384  # bytes that a text's own variables take

VARIABLES: Final = ("attributes", "external_id", "language", "data", "recipient")

_TAGS = (
    Literal,
    Illegal,
    if_tag.IfTag,
    unless_tag.UnlessTag,
    case_tag.CaseTag,
    for_tag.BreakTag,
    for_tag.ContinueTag,
    assign_tag.AssignTag,
    capture_tag.CaptureTag,
    comment_tag.CommentTag,
    InlineCommentTag,
)


class TemplateError(Exception):
    """A text that cannot be rendered for anybody. `line` counts from 1."""

    def __init__(self, sentence: str, line: int) -> None:
        super().__init__(sentence)
        self.line = line


class UrlBuffer(LimitedStringIO):
    """Takes the text of a URL: what is put into it is percent-encoded on its way."""


class _PutIn(OutputNode):
    """`{{ … }}`."""

    __slots__ = ()

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        value = self.expression.evaluate(context)
        if isinstance(value, str):
            text: str = value
        else:
            assert isinstance(context, Context), "it is made for no other"
            context.spend(value)
            text = text_of(value)
        if isinstance(buffer, UrlBuffer) and not isinstance(value, Encoded):
            text = quote(text, safe="" if buffer.size else WHOLE_URL)
        return buffer.write(text)


class _Output(Output):
    node_class = _PutIn


class _Loop(for_tag.ForNode):
    """`{% for … %}`."""

    __slots__ = ("_size",)

    def __init__(
        self, token: Token, expression: LoopExpression, block: BlockNode, default: BlockNode | None = None
    ) -> None:
        super().__init__(token, expression, block, default)
        self._size = len(str(block))

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        assert isinstance(context, Context), "it is made for no other"
        context.body = self._size
        return super().render_to_output(context, buffer)


class _For(for_tag.ForTag):
    node_class = _Loop


class Context(RenderContext):
    """What the library renders one recipient's texts from."""

    __slots__ = ("_filtered", "_looped", "body")

    def __init__(self, values: Mapping[str, object], template: BoundTemplate | None = None) -> None:
        super().__init__(template or _NOTHING, globals=values)
        self._filtered = 0
        self._looped = 0
        self.body = 0  # characters of the loop that is about to begin

    def raise_for_loop_limit(self, length: int = 1) -> None:
        """Counts each loop as it begins, by what it holds; the library's own limit begins anew with each."""
        self._looped += length * (self.body + 10)
        if self._looped > MOST_LOOPED:
            raise LoopIterationLimitError("loops go round too often", token=None)

    def filter(self, name: str, token: Token | None) -> Callable[..., object]:
        """Counts what it is given: `data.list | sort` in a loop goes through the whole list each time."""
        function = super().filter(name, token)

        def counted(value: object, *arguments: object, **named: object) -> object:
            for each in (value, *arguments):
                self.spend(each)
            return function(value, *arguments, **named)

        return counted

    def spend(self, value: object) -> None:
        """Before something is made of it."""
        self._filtered += size_of(value)
        if self._filtered > MOST_FILTERED:
            raise ResourceLimitError("filters are given too much", token=None)


class Reading:
    """What one recipient's texts are rendered from."""

    __slots__ = ("_context", "values")

    def __init__(self, values: Mapping[str, object]) -> None:
        self.values = values
        self._context: Context | None = None

    @property
    def context(self) -> Context:
        """Made for those who need it: that takes as long as to render."""
        if self._context is None:
            self._context = Context(self.values)
        return self._context


class Text:
    """A text of a notification, compiled."""

    __slots__ = ("_is_url", "_nodes", "_plain", "variables")

    def __init__(self, nodes: Sequence[Node], variables: frozenset[str], *, is_url: bool) -> None:
        self._nodes = nodes
        self._plain = plain_parts(nodes)
        self._is_url = is_url
        self.variables = variables  # the VARIABLES that it reads

    @property
    def literal_start(self) -> str | None:
        """What it begins with for everybody; None when that depends."""
        first = self._nodes[0] if self._nodes else None
        return getattr(first, "text", None)

    @property
    def literals(self) -> Sequence[str]:
        """What it says to everybody, beside what depends."""
        return [node.text for node in self._nodes if isinstance(node, ContentNode)]

    def render(self, reading: Reading) -> str:
        """LiquidError, and whatever a filter makes of a value that it was not meant for."""
        if self._plain is not None:
            text = put_together(self._plain, reading.values, is_url=self._is_url)
            if text is not None:
                return text
        buffer = (UrlBuffer if self._is_url else LimitedStringIO)(MOST_OUTPUT, newline="")  # as it is
        return render_nodes(self._nodes, reading.context, buffer)


def render_nodes(nodes: Sequence[Node], context: Context, buffer: LimitedStringIO) -> str:
    """One text of the several that are rendered from a context: each is a template of its own."""
    if context.locals:
        context.locals.clear()
    for node in nodes:
        node.render(context, buffer)
    return buffer.getvalue()


def parse_text(source: str, *, is_url: bool = False, variables: Sequence[str] = VARIABLES) -> Text:
    """TemplateError when it can be rendered for nobody: syntax, names, filters, ranges without end."""
    check_marks(source)
    try:
        template = _ENVIRONMENT.from_string(source)
        read = template.analyze(include_partials=False).globals
        for name, found in read.items():
            if name not in variables:
                known = ", ".join(variables)
                raise TemplateError(f"There is no `{name}`, only {known}", _line(source, found[0].span.index))
        for node in template.nodes:
            check_nodes(node, source)
    except LiquidError as exc:
        index = 0 if exc.token is None else exc.token.start_index
        raise TemplateError(f"{exc.message}", _line(source, index)) from exc
    except RecursionError as exc:
        raise TemplateError("this is nested too deep", 1) from exc
    return Text(template.nodes, frozenset(read), is_url=is_url)


ParseText = Callable[..., Text]  # `parse_text`, or one that remembers what it has parsed


def check_marks(source: str) -> None:
    """TemplateError; before anything else looks at a text of somebody else's."""
    bad = find_bad_mark(source)
    if bad is not None:
        raise TemplateError(bad[0], _line(source, bad[1]))


def _line(source: str, index: int) -> int:
    """Of a place in it; the library says -1 where the text has ended too early."""
    return source.count("\n", 0, index if index >= 0 else len(source)) + 1


def check_nodes(node: Node, source: str) -> None:
    """What the library would find out only while it renders, if then."""
    for expression in node.expressions():
        for each in _walk(expression):
            if isinstance(each, FilteredExpression):
                for used in each.filters or ():
                    _check_filter(used, source)
            elif isinstance(each, LoopExpression):
                counts = isinstance(each.iterable, RangeLiteral)
                if counts and (each.reversed or each.offset is not None):
                    raise TemplateError("a range is counted from its beginning", _line_of(each, source))
            elif isinstance(each, RangeLiteral) and not isinstance(expression, LoopExpression):
                raise TemplateError("a range stands in a `for` only", _line_of(each, source))
    for child in node.children(Context({}), include_partials=False):
        check_nodes(child, source)


def _walk(expression: Expression) -> Iterator[Expression]:
    yield expression
    for child in expression.children():
        yield from _walk(child)


def _line_of(expression: Expression, source: str) -> int:
    return _line(source, expression.token.start_index)


def _check_filter(used: Filter, source: str) -> None:
    line = _line(source, used.token.start_index)
    function = _ENVIRONMENT.filters.get(used.name)
    if function is None:
        raise TemplateError(f"there is no filter `{used.name}`", line)
    names = [getattr(argument, "name", None) for argument in used.args]
    keywords: dict[str, object] = {name: None for name in names if name}
    if getattr(function, "with_environment", False):
        keywords["environment"] = None
    try:
        inspect.signature(function).bind(None, *(None for name in names if not name), **keywords)
    except TypeError:
        raise TemplateError(f"these are not the arguments of the filter `{used.name}`", line) from None


class ClosedEnvironment(Environment):
    output_stream_limit = MOST_OUTPUT
    local_namespace_limit = MOST_LOCALS
    loop_iteration_limit = MOST_LOOPED
    context_depth_limit = 20
    block_nesting_limit = 10

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:  # noqa: ARG002
        """Only what is named: neither time nor files, and nothing that multiplies unseen."""
        for tag in (*_TAGS, _For, _Output):
            self.add_tag(tag)
        for name, function in FILTERS.items():
            self.add_filter(name, function)


_ENVIRONMENT = ClosedEnvironment()
_NOTHING = BoundTemplate(_ENVIRONMENT, [])
