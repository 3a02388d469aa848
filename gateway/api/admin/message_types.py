"""Messages as JSON: what requests say and what answers show."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType, field
from msgspec.structs import replace

from gateway.api.admin.audiences import Audience, ShownAudience, to_spec
from gateway.api.moments import Moment, from_moment
from gateway.audience import AudienceSpec, read_audience
from gateway.campaigns.auto_pause import AutoPause
from gateway.campaigns.best_hour import BestHour
from gateway.campaigns.categories import CategoryName
from gateway.campaigns.local_time import LocalTime, moment_at_home
from gateway.campaigns.quiet_hours import WithQuietHours
from gateway.campaigns.recurrence import Misfire, Recurrence
from gateway.campaigns.rollout import Rollout
from gateway.campaigns.rules import Rules, read_rules
from gateway.campaigns.utm import Utm
from gateway.campaigns.variants import Variants
from gateway.content import Content, Notification, Options, Translations, read_content
from gateway.errors import FieldError, InvalidRequest
from gateway.failures import FailedOutcome
from gateway.message_draft import Draft
from gateway.templates import Variables
from storage import messages
from storage.messages import MessageState, Priority

Rate = Annotated[int, Meta(ge=1, le=1_000_000, description="At most so many a second.")]


class NewMessage(Rules, frozen=True, kw_only=True, forbid_unknown_fields=True):
    notification: Annotated[Notification | UnsetType, Meta(description="Needed, or else a template.")] = UNSET
    variables: Variables | UnsetType = UNSET
    translations: Annotated[
        Translations, Meta(description="What visitors of these languages are shown instead (pt-BR, else pt).")
    ] = field(default_factory=dict)
    fallback: Annotated[
        Notification | None,
        Meta(description="For whom the texts cannot be made or come too late: the same for everybody."),
    ] = None
    utm: Annotated[
        Utm | None, Meta(description="Added to links, over the site's; a link's own parameters stay.")
    ] = None
    audience: Audience
    options: Annotated[Options | UnsetType, Meta(description="Those of the template by default.")] = UNSET
    priority: Annotated[
        Priority | None, Meta(description="Transactional by default for up to 1000 named recipients.")
    ] = None
    send_at: Annotated[Moment | None, Meta(description="Now, when it is not given or past.")] = None
    expires_at: Annotated[
        Moment | None, Meta(description="Nobody gets it after this: valid_until at the latest.")
    ] = None
    valid_until: Annotated[
        Moment | None,
        Meta(description="Browsers that get it later show the fallback; what they show by then is closed."),
    ] = None
    rate: Rate | None = None
    draft: Annotated[bool, Meta(description="Nothing starts it until a PATCH says false.")] = False


class MessageChange(Struct, frozen=True, forbid_unknown_fields=True):
    """What is not given stays; what is given replaces the whole field; null stands for the default."""

    notification: Notification | UnsetType = UNSET
    translations: Translations | UnsetType | None = UNSET
    fallback: Notification | UnsetType | None = UNSET
    utm: Utm | UnsetType | None = UNSET
    template: str | UnsetType | None = UNSET
    variables: Variables | UnsetType = UNSET
    audience: Audience | UnsetType = UNSET
    options: Options | UnsetType = UNSET
    priority: Priority | UnsetType | None = UNSET
    send_at: Moment | UnsetType | None = UNSET
    expires_at: Moment | UnsetType | None = UNSET
    valid_until: Moment | UnsetType | None = UNSET
    rate: Rate | UnsetType | None = UNSET
    draft: bool | UnsetType = UNSET
    dry_run: bool | UnsetType | None = UNSET
    variants: Variants | UnsetType | None = UNSET
    rollout: Rollout | UnsetType | None = UNSET
    auto_pause: AutoPause | UnsetType | None = UNSET
    category: CategoryName | UnsetType | None = UNSET
    withdrawable: bool | UnsetType | None = UNSET
    recurrence: Recurrence | UnsetType | None = UNSET
    misfire: Misfire | UnsetType | None = UNSET
    local_time: LocalTime | UnsetType | None = UNSET
    best_hour: BestHour | UnsetType | None = UNSET
    quiet_hours: WithQuietHours | UnsetType | None = UNSET


class Replay(Struct, frozen=True, forbid_unknown_fields=True):
    outcomes: (
        Annotated[list[FailedOutcome], Meta(min_length=1, max_length=50, description="All by default.")]
        | UnsetType
    ) = UNSET
    expires_at: Annotated[
        Moment | UnsetType | None, Meta(description="That of the message, when it is not given.")
    ] = UNSET


class Release(Struct, frozen=True, forbid_unknown_fields=True):
    variant: Annotated[str | UnsetType, Meta(description="What the rest gets, if it waits for a winner.")] = (
        UNSET
    )


class Progress(Struct, frozen=True):
    """audience = accepted + gone + failed + expired + skipped + retrying + remaining, in every answer."""

    audience: Annotated[int | None, Meta(description="null until everybody has been judged.")] = None
    accepted: int = 0
    gone: int = 0
    failed: int = 0
    expired: int = 0
    skipped: int = 0
    retrying: int = 0
    remaining: int | None = None
    failures: Annotated[Mapping[str, int], Meta(description="`failed` by outcome.")] = {}
    skips: Annotated[Mapping[str, int], Meta(description="`skipped` by reason.")] = {}
    rate: Annotated[
        float | None,
        Meta(
            description="Outcomes a second: of late, when somebody has looked in the last two minutes, too; "
            "else on average since the start."
        ),
    ] = None
    eta_seconds: Annotated[
        int | None, Meta(description="At this rate; null while it is paused or has to wait.")
    ] = None


class VariantResults(Struct, frozen=True):
    """`click_rate` is a share of `displayed`; `low` and `high` are its 95 % interval (Wilson)."""

    name: str
    accepted: int
    displayed: int
    clicked: int
    click_rate: float | None
    low: float | None
    high: float | None


class Results(Struct, frozen=True):
    """What browsers reported. The rates are shares of `accepted`."""

    displayed: int
    clicked: int
    closed: int
    display_rate: float | None
    click_rate: float | None
    variants: Annotated[Sequence[VariantResults] | UnsetType, Meta(description="If it has variants.")] = UNSET
    winner: Annotated[str | UnsetType | None, Meta(description="The variant that the rest gets.")] = UNSET
    decision: Annotated[
        str | UnsetType | None, Meta(description="Why the rest was released, or held back, with the figures.")
    ] = UNSET


class Message(Rules, frozen=True, kw_only=True, omit_defaults=False):
    id: str
    replay_of: Annotated[str | None, Meta(description="The message that this one sends once more.")]
    automation: Annotated[str | None, Meta(description="The automation that it is a step of.")]
    test_of: Annotated[str | None, Meta(description="The message that this one tests.")]
    withdrawal_of: Annotated[str | None, Meta(description="The message that this one takes back.")]
    withdrawal: Annotated[str | None, Meta(description="The message that takes this one back.")]
    series: Annotated[str | None, Meta(description="The recurring message of which it is an occurrence.")]
    next_occurrences: Annotated[
        Sequence[Moment] | None, Meta(description="Of a recurring message: the next three.")
    ]
    state: MessageState
    state_reason: Annotated[str | None, Meta(description="Why it is in this state, or stands still.")]
    waiting_until: Annotated[
        Moment | None, Meta(description="When it goes on, if all that is left of it has to wait.")
    ]
    priority: Priority
    notification: Notification
    translations: Translations
    fallback: Notification | None
    utm: Annotated[Utm | None, Meta(description="What its links get, the site's included.")]
    options: Options
    send_at: Moment
    expires_at: Moment | None
    valid_until: Moment | None
    rate: int | None
    created_at: Moment
    started_at: Moment | None
    ended_at: Moment | None
    unknown: Annotated[int | None, Meta(description="Named recipients that nobody is; null until frozen.")]
    progress: Progress
    results: Results
    audience: Annotated[ShownAudience | UnsetType, Meta(description="Not in lists.")] = UNSET


def read_draft(new: NewMessage, audience: AudienceSpec | None = None) -> Draft:
    """For `audience`, or its own. InvalidRequest when that is wrong, or there is no notification."""
    if new.notification is UNSET:
        raise InvalidRequest(
            errors=[FieldError("notification", "Say what it shows, in a notification or by a template.")]
        )
    return Draft(
        content=Content(
            new.notification,
            new.options or Options(),
            new.translations,
            new.fallback,
            new.utm,
            None if new.valid_until is None else from_moment(new.valid_until, "valid_until"),
        ),
        audience=audience or to_spec(new.audience),
        priority=new.priority,
        send_at=None if new.send_at is None else from_moment(new.send_at, "send_at"),
        expires_at=None if new.expires_at is None else from_moment(new.expires_at, "expires_at"),
        rate=new.rate,
        rules=Rules(**{name: getattr(new, name) for name in Rules.__struct_fields__}),
        is_draft=new.draft,
    )


def merge(
    change: MessageChange,
    before: messages.Message,
    site_zone: str,
    *,
    now: int,
    template_options: Options | None = None,
) -> Draft:
    """The draft of the message as it is to be. A time to start that passed while it was one means now.

    A message that was made of the template already keeps its options. Without its local time it comes when
    the site's clock shows that.
    """
    if change.options is UNSET and template_options and change.template != read_rules(before).template:
        change = replace(change, options=template_options)
    was_draft = before.state is MessageState.DRAFT
    send_at = max(before.send_at, now) if was_draft else before.send_at
    known = read_rules(before)
    rules = _rules(change, known)
    if known.local_time is not None and rules.local_time is None:
        send_at = max(now, moment_at_home(known.local_time, site_zone))
    content = read_content(before)
    expires_at = before.expires_at if content.valid_until is None else content.expires_at
    return Draft(
        content=_content(change, content),
        audience=_audience(change, read_audience(before.audience_spec)),
        priority=before.priority if change.priority is UNSET else change.priority,
        # Where a rule says when to start, both are an error only if both are asked for at once.
        send_at=_time(change.send_at, None if rules.local_time or rules.recurrence else send_at, "send_at"),
        expires_at=_time(change.expires_at, expires_at, "expires_at"),
        rate=before.rate if change.rate is UNSET else change.rate,
        rules=rules,
        is_draft=was_draft if change.draft is UNSET else change.draft,
    )


def _time(given: Moment | UnsetType | None, before: int | None, path: str) -> int | None:
    if given is UNSET:
        return before
    return None if given is None else from_moment(given, path)


def _audience(change: MessageChange, before: AudienceSpec) -> AudienceSpec:
    if change.audience is UNSET:
        return before
    after = to_spec(change.audience)
    return before if after.uploaded is not UNSET and before.uploaded is not UNSET else after


def _content(change: MessageChange, before: Content) -> Content:
    """As `_rules`."""
    given = {name: getattr(change, name, UNSET) for name in Content.__struct_fields__}
    del given["expires_at"]  # the draft's
    given["valid_until"] = _time(change.valid_until, before.valid_until, "valid_until")
    if given["translations"] is None:
        given["translations"] = {}
    return replace(before, **{name: value for name, value in given.items() if value is not UNSET})


def _rules(change: MessageChange, before: Rules) -> Rules:
    """Those that the change names, the others as before."""
    given = {name: getattr(change, name, UNSET) for name in Rules.__struct_fields__}
    said = {
        name: getattr(_NO_RULES, name) if value is None else value
        for name, value in given.items()
        if value is not UNSET
    }
    return replace(before, **said)


_NO_RULES = Rules()
