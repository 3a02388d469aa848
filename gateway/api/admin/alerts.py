"""`/v1/alerts`: what the gateway has noticed by itself."""

from typing import Annotated

from msgspec import Meta, Struct

from gateway import alerts, audit
from gateway.alerts import Which
from gateway.api.moments import Moment, to_moment, to_optional_moment
from gateway.api.paging import Cursor, Limit, Page, page_of, read_cursor
from gateway.api.route import Call, route
from gateway.watch.looks import Severity
from storage.alerts import Alert as StoredAlert
from storage.ids import Kind, encode_id
from storage.tokens import Scope


class AlertQuery(Struct, forbid_unknown_fields=True, frozen=True):
    state: Which = Which.RAISED
    cursor: Cursor | None = None
    limit: Limit = 50


class Alert(Struct, frozen=True):
    id: str
    name: Annotated[str, Meta(description="`open_files`, `display_rate`, …: see the runbook.")]
    severity: Severity
    site: Annotated[str | None, Meta(description="null: the whole gateway.")]
    provider: str | None
    value: Annotated[float, Meta(description="What it was when the alert was raised.")]
    low: Annotated[float | None, Meta(description="It should be no lower; null: that would not matter.")]
    high: float | None
    summary: Annotated[str, Meta(description="One sentence: what is wrong.")]
    look_at: Annotated[tuple[str, ...], Meta(description="What to look at, first things first.")]
    runbook: Annotated[str, Meta(description="The anchor of its section in docs/runbook.md.")]
    raised_at: Moment
    ended_at: Moment | None
    acknowledged_at: Moment | None


@route("GET", "/v1/alerts", "List alerts", scope=Scope.READ)
async def list_alerts(call: Call[None, AlertQuery]) -> Page[Alert]:
    """Newest first; a token that is bound to a site sees those of that one."""
    query = call.query
    found = await alerts.page_of_alerts(
        call.context, call.token.site_id, query.state, read_cursor(query.cursor), query.limit + 1
    )
    return page_of([_show(each) for each in found], [each.id for each in found], query.limit)


@route("POST", "/v1/alerts/{alert}/acknowledge", "Acknowledge an alert", scope=Scope.MANAGE)
async def acknowledge_alert(call: Call[None, None]) -> Alert:
    """Somebody takes care of it. It stays raised until what it tells of is over."""
    actor, alert_id = audit.actor(call.token), call.id_of(Kind.ALERT)
    return _show(await alerts.acknowledge_alert(call.context, actor, call.token.site_id, alert_id))


def _show(alert: StoredAlert) -> Alert:
    return Alert(
        id=encode_id(Kind.ALERT, alert.id),
        name=alert.name,
        severity=Severity(alert.severity),
        site=None if alert.site_id == 0 else encode_id(Kind.SITE, alert.site_id),
        provider=alert.provider or None,
        value=alert.value,
        low=alert.low,
        high=alert.high,
        summary=alert.summary,
        look_at=alert.look_at,
        runbook=alert.name,
        raised_at=to_moment(alert.raised_at),
        ended_at=to_optional_moment(alert.ended_at),
        acknowledged_at=to_optional_moment(alert.acknowledged_at),
    )


ROUTES = (list_alerts, acknowledge_alert)
