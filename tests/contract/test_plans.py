"""The plans of every hot query: the index it was written for, in order, nothing sorted or scanned whole.

SQLite without ANALYZE plans the same on an empty table as on a million rows. PostgreSQL plans by sizes:
there, it is given some thousand rows, and may choose.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from storage import batches, deliveries, queries, subscriptions
from storage.database import Body, Database, Row, Transaction
from storage.opening import open_database
from storage.queries import Query
from tests.contract.rows import MESSAGE, NOW, SITE, add_sending, add_site, batch, new_subscription, result
from tests.databases import PostgresServer

_ROWS = [(1,) * 9]

# aggregate, block, arguments, what SQLite must use for each table
HOT: Sequence[tuple[str, str, Sequence[Any], Sequence[str]]] = [
    (
        "subscriptions",
        "audience_step",
        (1, 2, 3, 4),
        ["subscriptions USING PRIMARY KEY (site_id=? AND id>? AND id<?)"],
    ),
    (
        "subscriptions",
        "members",
        (1, [1]),
        ["s USING PRIMARY KEY (site_id=? AND id=?)", "a USING PRIMARY KEY (site_id=? AND subscription_id=?)"],
    ),
    ("subscriptions", "by_ids", (1, [1]), ["subscriptions USING PRIMARY KEY (site_id=? AND id=?)"]),
    (
        "subscriptions",
        "by_external_ids",
        (1, ["a"]),
        ["subscriptions USING INDEX subscriptions_by_external_id (site_id=? AND external_id=?)"],
    ),
    (
        "subscriptions",
        "by_endpoints",
        (1, [b"a"]),
        ["subscriptions USING INDEX subscriptions_by_endpoint (site_id=? AND endpoint_hash=?)"],
    ),
    ("subscriptions", "page", (1, 2, 3), ["subscriptions USING PRIMARY KEY (site_id=? AND id>?)"]),
    (
        "subscriptions",
        "page_filtered",
        (1, 2, 3, "a", "b"),
        ["subscriptions USING PRIMARY KEY (site_id=? AND id>?)"],
    ),
    ("subscriptions", "count_new_since", (1, 2, 3), ["subscriptions USING PRIMARY KEY (site_id=? AND id>?)"]),
    ("subscriptions", "opted_out", (1, [1], "a"), ["subscriptions USING PRIMARY KEY (site_id=? AND id=?)"]),
    (
        "watched",
        "sites_that_sent",
        (1, 2, 3, 4),
        ["site_totals USING INDEX site_totals_by_hour (hour>? AND hour<?)"],
    ),
    ("watched", "that_failed", (1, 2, 3), ["site_totals USING INDEX site_totals_by_hour (hour>?)"]),
    ("watched", "together", (1, 2), ["site_totals USING INDEX site_totals_by_hour (hour>? AND hour<?)"]),
    (
        "watched",
        "of_site",
        (1, 2, 3, 4, 5),
        ["site_totals USING PRIMARY KEY (site_id=? AND hour>? AND hour<?)"],
    ),
    ("images", "webp", (b"a",), ["images USING INDEX images_by_webp (webp_hash=?)"]),
    ("images", "png", (b"a",), ["images USING INDEX images_by_png (png_hash=?)"]),
    ("images", "page", (1, 2, 3), ["images USING INDEX images_in_order (site_id=? AND id<?)"]),
    ("images", "known", ([b"a"],), ["webp_hash=?", "png_hash=?"]),
    (
        "recent_pushes",
        "full",
        (1, [1], 2, 3, 4),
        ["recent_pushes USING PRIMARY KEY (site_id=? AND subscription_id=?)"],
    ),
    (
        "recent_pushes",
        "forget",
        (1, 2),
        [
            "recent_pushes USING PRIMARY KEY (site_id=? AND subscription_id=? AND message_id=?)",
            "recent_pushes USING COVERING INDEX recent_pushes_to_forget (forget_at<?)",
        ],
    ),
    (
        "withdrawals",
        "locations",
        (1, 2, [1]),
        ["push_locations USING PRIMARY KEY (site_id=? AND subscription_id=? AND message_id=?)"],
    ),
    (
        "withdrawals",
        "reported",
        (1, 2, [1]),
        ["events USING PRIMARY KEY (site_id=? AND message_id=? AND subscription_id=?)"],
    ),
    (
        "withdrawals",
        "forgotten",
        (1, 2, [1], 3),
        ["deliveries USING PRIMARY KEY (site_id=? AND message_id=? AND subscription_id=?)"],
    ),
    (
        "withdrawals",
        "taken_back",
        (1, 2, [1]),
        [
            "w USING INDEX messages_withdrawals (parent_id=?)",
            "d USING PRIMARY KEY (site_id=? AND message_id=? AND subscription_id=?)",
        ],
    ),
    (
        "withdrawals",
        "last_of",
        ([1],),
        ["messages USING INDEX messages_withdrawals (parent_id=?)"],
    ),
    ("received", "accepted_between", (1, 2, 3), ["rollups USING PRIMARY KEY (site_id=?)"]),
    (
        "received",
        "accepted_of",
        (1, [2], 3, 4, 5),
        ["d USING PRIMARY KEY (site_id=? AND message_id=? AND subscription_id>? AND subscription_id<?)"],
    ),
    (
        "received",
        "accepted_by",
        (1, [2], [3], 4),
        ["d USING PRIMARY KEY (site_id=? AND message_id=? AND subscription_id=?)"],
    ),
    (
        "received",
        "doubtful",
        (1, 2, 3, 4, 5, [6]),
        [
            "a USING PRIMARY KEY (site_id=? AND subscription_id>? AND subscription_id<?)",
            "d USING PRIMARY KEY (site_id=? AND message_id=? AND subscription_id>? AND subscription_id<?)",
        ],
    ),
    (
        "received",
        "doubtful_of_tag",
        (1, 2, 3, 4, 5, "a"),
        [
            "t USING PRIMARY KEY (site_id=? AND tag=? AND subscription_id>? AND subscription_id<?)",
            "a USING PRIMARY KEY (site_id=? AND subscription_id=?)",
        ],
    ),
    ("subscriptions", "gone", _ROWS, ["subscriptions USING PRIMARY KEY (site_id=? AND id=?)"]),
    (
        "subscriptions",
        "expire_due",
        (1, 2),
        [
            "subscriptions USING PRIMARY KEY (site_id=? AND id=?)",
            "subscriptions USING INDEX subscriptions_expiring",
        ],
    ),
    (
        "batches",
        "claim",
        ("me", 1, 2, 3, 0, 1, ["fcm"], 1, 9),
        [
            "batches USING INTEGER PRIMARY KEY (rowid=?)",
            "messages USING INDEX messages_sending (lane>? AND lane<?)",
            "due USING COVERING INDEX batches_by_due (message_id=? AND due_at<?)",
            "t USING PRIMARY KEY (site_id=? AND provider=?)",
            "b USING INDEX batches_by_provider (message_id=? AND provider=? AND due_at<?)",
        ],
    ),
    ("batches", "walked", (1, 0, 1, 1, 9), ["messages USING INDEX messages_sending (lane>? AND lane<?)"]),
    (
        "batches",
        "nap",
        ([1], 2, 3),
        ["b USING COVERING INDEX batches_by_due (message_id=? AND due_at>? AND due_at<?)"],
    ),
    ("batches", "wake", ([1], 2), ["messages USING INTEGER PRIMARY KEY (rowid=?)"]),
    (
        "batches",
        "take_turn",
        ([1],),
        [
            "messages USING INTEGER PRIMARY KEY (rowid=?)",
            "o USING INDEX messages_sending_of_site (site_id=? AND lane=?)",
        ],
    ),
    (
        "batches",
        "claim_overdue",
        (1, "me", 4, 9, "fcm", 2, 1, 3),
        ["batches USING INDEX batches_by_provider (message_id=? AND provider=? AND due_at<?)"],
    ),
    (
        "batches",
        "overdue",
        _ROWS,
        ["b USING INDEX batches_by_provider (message_id=? AND provider=? AND due_at<?)"],
    ),
    ("batches", "leftovers", (1,), ["batches USING COVERING INDEX batches_by_due"]),
    ("messages", "past_ttl", (1,), ["messages USING INDEX messages_sending"]),
    ("batches", "extend", ([1], "me", 1), ["batches_of_owner (lease_owner=? AND rowid=?)"]),
    ("batches", "finish_many", ([1], "me"), ["batches_of_owner (lease_owner=? AND rowid=?)"]),
    ("batches", "release_owner", ("me",), ["batches USING INDEX batches_of_owner (lease_owner=?)"]),
    (
        "deliveries",
        "recorded",
        (1, 2, [3]),
        ["deliveries USING PRIMARY KEY (site_id=? AND message_id=? AND subscription_id=?)"],
    ),
    (
        "deliveries",
        "open_at",
        (1, 2, [3], 1),
        ["deliveries USING PRIMARY KEY (site_id=? AND message_id=? AND subscription_id=?)"],
    ),
    (
        "deliveries",
        "called_gone",
        (1, 2, [3]),
        ["deliveries USING PRIMARY KEY (site_id=? AND message_id=? AND subscription_id=?)"],
    ),
    ("deliveries", "record_first", _ROWS, []),
    (
        "deliveries",
        "record_later",
        _ROWS,
        ["deliveries USING PRIMARY KEY (site_id=? AND message_id=? AND subscription_id=?)"],
    ),
    (
        "deliveries",
        "page",
        (1, 2, 3, 4, "a"),
        ["deliveries USING PRIMARY KEY (site_id=? AND message_id=? AND subscription_id>?)"],
    ),
    ("events", "record", _ROWS, []),
    ("events", "reporters", _ROWS, ["s USING PRIMARY KEY (site_id=? AND id=?)"]),
    ("habits", "habits", _ROWS, ["s USING PRIMARY KEY (site_id=? AND id=?)"]),
    ("habits", "learn", _ROWS, ["subscriptions USING PRIMARY KEY (site_id=? AND id=?)"]),
    ("habits", "take", ([1],), ["unlearnt USING INTEGER PRIMARY KEY (rowid=?)"]),
    ("site_hours", "of_sites", ([1],), ["site_hours USING PRIMARY KEY (site_id=?)"]),
    ("rollups", "add_many", _ROWS, []),
    ("subscriptions", "revert_gone", _ROWS, ["subscriptions USING PRIMARY KEY (site_id=? AND id=?)"]),
    ("rollups", "by_kind", (1, [2]), ["rollups USING PRIMARY KEY (site_id=? AND message_id=?)"]),
    ("rollups", "hours", (1, [2]), ["rollups USING PRIMARY KEY (site_id=? AND message_id=?)"]),
    (
        "rollups",
        "kinds_by_part",
        (1, [2], 3, 4, 5, 6),
        ["rollups USING PRIMARY KEY (site_id=? AND message_id=?)"],
    ),
    (
        "rollups",
        "count_started",
        (1, 2, 3),
        ["messages USING COVERING INDEX messages_started (site_id=? AND started_at>? AND started_at<?)"],
    ),
    (
        "families",
        "of_message",
        (1, 2, 3),
        [
            "automation_rounds USING PRIMARY KEY (site_id=? AND step_id=?)",
            "messages USING INDEX messages_of_series (parent_id=?)",
            "m USING INTEGER PRIMARY KEY (rowid=?)",
        ],
    ),
    (
        "events",
        "displayed_last",
        (1, 2, 3, 4),
        [
            "messages USING COVERING INDEX messages_of_site (site_id=?)",
            "e USING PRIMARY KEY (site_id=? AND message_id=? AND subscription_id=? AND kind=?)",
        ],
    ),
    (
        "rollups",
        "by_part",
        (1, 2, 3, 4, 5),
        ["site_totals USING PRIMARY KEY (site_id=? AND hour>? AND hour<?)"],
    ),
    (
        "removals",
        "next_messages",
        (1, 2, 3, 4),
        ["messages USING COVERING INDEX messages_by_end (ended_at>? AND ended_at<?)"],
    ),
    (
        "removals",
        "remove_deliveries",
        _ROWS,
        [
            "deliveries USING PRIMARY KEY (site_id=? AND message_id=? AND subscription_id=?)",
            "d USING PRIMARY KEY (site_id=? AND message_id=?)",
        ],
    ),
    (
        "removals",
        "remove_events",
        _ROWS,
        [
            "events USING PRIMARY KEY (site_id=? AND message_id=? AND subscription_id=?)",
            "e USING PRIMARY KEY (site_id=? AND message_id=?)",
        ],
    ),
    (
        "removals",
        "page_of_deliveries",
        (1, 2, 3, 4),
        ["deliveries USING PRIMARY KEY (site_id=? AND message_id=? AND subscription_id>?)"],
    ),
    (
        "removals",
        "sites_with_custom_events",
        (1,),
        [
            "SEARCH custom_events USING COVERING INDEX custom_events_of_subscription",
            "c USING COVERING INDEX custom_events_of_subscription (site_id>?)",
            "c USING PRIMARY KEY (site_id=? AND id<?)",
        ],
    ),
    (
        "history",
        "deliveries_of",
        (1, 2, 3),
        [
            "messages USING COVERING INDEX messages_of_site (site_id=?)",
            "d USING PRIMARY KEY (site_id=? AND message_id=? AND subscription_id=?)",
        ],
    ),
    (
        "history",
        "events_of",
        (1, 2, 3),
        [
            "messages USING COVERING INDEX messages_of_site (site_id=?)",
            "e USING PRIMARY KEY (site_id=? AND message_id=? AND subscription_id=?)",
        ],
    ),
    ("growth", "by_part", (1, 2, 3, 4, 5), ["growth USING PRIMARY KEY (site_id=? AND hour>? AND hour<?)"]),
    (
        "breakdowns",
        "of_messages",
        (1, [2]),
        ["breakdowns USING PRIMARY KEY (site_id=? AND message_id=?)"],
    ),
    (
        "breakdowns",
        "of_site",
        (1, 2, 3),
        ["breakdowns USING PRIMARY KEY (site_id=? AND message_id=? AND day>? AND day<?)"],
    ),
    (
        "messages",
        "progress_of",
        ([1],),
        ["m USING INTEGER PRIMARY KEY (rowid=?)", "r USING PRIMARY KEY (site_id=? AND message_id=?)"],
    ),
    ("messages", "due", (1, 2), ["messages USING INDEX messages_scheduled (lane=? AND send_at<?)"]),
    ("messages", "freezing", (1,), ["messages USING INDEX messages_freezing"]),
    ("messages", "page", (1, 2, 3), ["messages USING INDEX messages_of_site (site_id=? AND id<?)"]),
    (
        "messages",
        "page_of_series",
        (1, 2, 3, 4),
        ["messages USING INDEX messages_of_series (parent_id=? AND id<?)"],
    ),
    ("messages", "overtake", (1, "a", 2), ["messages USING INDEX messages_of_series (parent_id=?)"]),
    (
        "messages",
        "live",
        (1, 2, 3),
        [
            "messages USING INDEX messages_sending_of_site (site_id=?)",
            "messages USING INDEX messages_paused",
            "messages USING COVERING INDEX messages_ended (site_id=? AND ended_at>?)",
        ],
    ),
    (
        "messages",
        "finish_done",
        (1, 2),
        [
            "messages USING INDEX messages_sending",
            "messages USING INDEX messages_paused",
            "b USING COVERING INDEX batches_by_due (message_id=?)",
        ],
    ),
    (
        "deliveries",
        "failed_page",
        (1, 2, 3, 4, "gone"),
        ["deliveries USING INDEX deliveries_failed (site_id=? AND message_id=? AND subscription_id>?)"],
    ),
    (
        "subscriptions",
        "gone_between",
        ("fcm", 1, 2, 3),
        ["subscriptions_gone (provider=? AND ended_at>? AND ended_at<?)"],
    ),
    (
        "subscriptions",
        "forget_never_accepted",
        (1, 2),
        ["subscriptions_never_accepted (ended_at<?)"],
    ),
    ("throttles", "of_providers", (), ["throttles USING PRIMARY KEY (site_id=?)"]),
    ("throttles", "held_sites", (1, 2, 3), ["throttles USING INDEX throttles_by_time (not_before>?)"]),
    ("throttles", "rates", ([1],), ["throttles USING PRIMARY KEY (site_id=?)"]),
    ("messages", "sending_past_expiry", (1, 2), ["messages USING INDEX messages_expiring (expires_at<?)"]),
    ("messages", "expired_unstarted", (1, 2), ["messages USING INDEX messages_expiring (expires_at<?)"]),
    (
        "messages",
        "next_batches",
        ([1],),
        [
            "b USING COVERING INDEX batches_by_provider (message_id=? AND provider>?)",
            "f USING COVERING INDEX batches_by_provider (message_id=? AND provider=? AND due_at>?)",
        ],
    ),
    (
        "stages",
        "due",
        (1, 2),
        ["s USING INDEX stages_to_look_at (look_at<?)", "m USING INTEGER PRIMARY KEY (rowid=?)"],
    ),
    (
        "stages",
        "release_batches",
        (1, 2, 3),
        ["batches USING INDEX batches_by_due (message_id=? AND due_at=?)"],
    ),
    ("stages", "untried", (1,), ["batches USING INDEX batches_by_due (message_id=? AND due_at>?)"]),
    (
        "stages",
        "under_way",
        (1,),
        ["batches USING COVERING INDEX batches_by_due (message_id=? AND due_at>?)"],
    ),
    (
        "rollups",
        "by_variant",
        ([1],),
        ["m USING INTEGER PRIMARY KEY (rowid=?)", "r USING PRIMARY KEY (site_id=? AND message_id=?)"],
    ),
    (
        "recipients",
        "of_members",
        (1, 2, [3]),
        [
            "s USING PRIMARY KEY (site_id=? AND id=?)",
            "r USING PRIMARY KEY (site_id=? AND list_id=? AND external_id=?)",
        ],
    ),
    (
        "recipients",
        "known",
        (1, 2, "a", 3),
        [
            "r USING PRIMARY KEY (site_id=? AND list_id=? AND external_id>?)",
            "s USING COVERING INDEX subscriptions_by_external_id (site_id=? AND external_id=?)",
        ],
    ),
    (
        "messages",
        "tests",
        (1, 2, 3, 4, 5),
        ["messages USING INDEX messages_of_site (site_id=? AND id>? AND id<?)"],
    ),
    (
        "automations",
        "due",
        (1, 2, 3),
        [
            "a USING INDEX automations_active (id>?)",
            "p USING COVERING INDEX automation_places_due (automation_id=? AND due_at<?)",
        ],
    ),
    (
        "automations",
        "due_places",
        (1, 2, 3),
        ["automation_places USING INDEX automation_places_due (automation_id=? AND due_at<?)"],
    ),
    (
        "automations",
        "leave",
        (1, [2], [3]),
        ["automation_places USING PRIMARY KEY (site_id=? AND subscription_id=? AND automation_id=?)"],
    ),
    (
        "automations",
        "leave_begun",
        (1, [2], 3),
        ["automation_places_of (automation_id=? AND site_id=? AND subscription_id=?)"],
    ),
    (
        "steps",
        "close",
        (1, [2], "a", 3),
        [
            "automation_rounds USING PRIMARY KEY (site_id=? AND step_id=?)",
            "messages USING INTEGER PRIMARY KEY (rowid=?)",
        ],
    ),
    ("steps", "close_all", (1, "a", 3), ["messages USING INDEX messages_of_automation (parent_id=?)"]),
    ("steps", "pause", (1, "a"), ["messages USING INDEX messages_of_automation (parent_id=?)"]),
    ("steps", "paused", (1, "a"), ["messages USING INDEX messages_of_automation (parent_id=?)"]),
    (
        "steps",
        "of_rounds",
        (1, [2], [3]),
        ["automation_rounds USING PRIMARY KEY (site_id=? AND step_id=? AND round=?)"],
    ),
    (
        "steps",
        "totals",
        (1, [2]),
        [
            "automation_rounds USING PRIMARY KEY (site_id=? AND step_id=?)",
            "r USING PRIMARY KEY (site_id=? AND message_id=?)",
        ],
    ),
    (
        "subscriptions",
        "newest_of_visitor",
        (1, "a", 3),
        ["subscriptions USING INDEX subscriptions_by_external_id (site_id=? AND external_id=?)"],
    ),
    (
        "automations",
        "leave_all",
        (1, 2),
        ["automation_places USING PRIMARY KEY (site_id=? AND subscription_id=?)"],
    ),
    (
        "automations",
        "move",
        _ROWS,
        ["automation_places USING PRIMARY KEY (site_id=? AND subscription_id=? AND automation_id=?)"],
    ),
    (
        "automations",
        "waiting",
        (1, 2),
        ["automation_places USING COVERING INDEX automation_places_due (automation_id=? AND due_at>?)"],
    ),
    ("messages", "find_idempotent", (1, "a"), ["idempotency_keys USING PRIMARY KEY (site_id=? AND key=?)"]),
    ("tokens", "by_hash", (b"a",), ["tokens USING INDEX sqlite_autoindex_tokens_1 (hash=?)"]),
    (
        "keys",
        "end_wait",
        (1, 2, 3, 4),
        ["b USING INDEX batches_by_due (message_id=? AND due_at>? AND due_at<?)"],
    ),
    (
        "keys",
        "idle_waits",
        (1, 2, 3),
        ["b USING INDEX batches_by_due (message_id=? AND due_at>? AND due_at<?)"],
    ),
    ("keys", "by_ids", ([1],), ["application_server_keys USING INTEGER PRIMARY KEY (rowid=?)"]),
    (
        "webhooks",
        "due",
        (1,),
        [
            "webhook_deliveries USING INDEX webhook_deliveries_pending",
            "d USING INDEX webhook_deliveries_pending (webhook_id>?)",
            "d USING INDEX webhook_deliveries_pending (webhook_id=? AND next_attempt_at<?)",
        ],
    ),
    (
        "webhook_deliveries",
        "claim",
        (1, 2, "me", 3, 4),
        ["webhook_deliveries USING INDEX webhook_deliveries_pending (webhook_id=? AND next_attempt_at<?)"],
    ),
    (
        "webhook_deliveries",
        "page_by_state",
        (1, 2, 3, "dead"),
        ["webhook_deliveries USING INDEX webhook_deliveries_by_state (webhook_id=? AND state=? AND id<?)"],
    ),
    (
        "webhook_deliveries",
        "replay_state",
        (1, "dead", 2, 3),
        ["webhook_deliveries USING INDEX webhook_deliveries_by_state (webhook_id=? AND state=?)"],
    ),
    ("outbox", "add", (1, "a", "[]", 1, 1), ["t USING PRIMARY KEY (site_id=? AND type=?)"]),
]
IDS = [f"{aggregate}.{block}" for aggregate, block, *_ in HOT]
# progress_of and by_variant group a few messages' rollups; due orders at most twice its limit, live what it
# found.
TABLES = {"subscriptions", "messages", "batches", "deliveries", "events", "rollups", "throttles"}
TABLES |= {"m", "b", "o", "r", "s", "t", "a", "automation_places", "automation_rounds"}
MAY_SORT = {
    "messages.progress_of",
    "steps.totals",
    "messages.due",
    "messages.live",
    "rollups.by_variant",
    "rollups.by_kind",
    "rollups.kinds_by_part",
    "families.of_message",
    "watched.sites_that_sent",  # they group what was sent in a few hours, by site
    "watched.that_failed",
    "rollups.by_part",  # what it sorts is what an overview may read (docs/statistics.md has the figures)
    "growth.by_part",
    "breakdowns.of_messages",
    "breakdowns.of_site",
    "events.displayed_last",
}


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("aggregate", "block", "arguments", "wanted"), HOT, ids=IDS)
async def test_sqlite_uses_the_index_it_was_written_for(
    database: Database, aggregate: str, block: str, arguments: Sequence[Any], wanted: Sequence[str]
) -> None:
    query = queries.load(aggregate)[block]
    explained = Query("plan", f"explain query plan {query.sqlite}", "")

    async def plan(tx: Transaction) -> list[str]:
        if arguments is _ROWS:
            return [row[3] for row in await tx.fetch_rows(explained, arguments)]
        return [row[3] for row in await tx.fetch(explained, *arguments)]

    steps = await database.read(plan)
    for index in wanted:
        assert any(index in step for step in steps), steps
    if query.name not in MAY_SORT:
        assert not [step for step in steps if "TEMP B-TREE" in step and "DISTINCT" not in step], steps
    whole = [
        step
        for step in steps
        if step.startswith("SCAN")
        and step.split()[1] in TABLES
        and "USING" not in step
        and f"CO-ROUTINE {step.split()[1]}" not in steps
    ]
    assert not whole, steps


_FILLED = ("subscriptions", "deliveries", "batches", "messages")

POSTGRES: Sequence[tuple[str, str, Sequence[Any], str]] = [
    ("subscriptions", "audience_step", (SITE, 2, 2**60, 100), "subscriptions_pkey"),
    ("subscriptions", "members", (SITE, [1, 2, 3]), "subscriptions_pkey"),
    ("subscriptions", "by_external_ids", (SITE, ["e1", "e2"]), "subscriptions_by_external_id"),
    ("subscriptions", "by_endpoints", (SITE, [b"a" * 16]), "subscriptions_by_endpoint"),
    ("subscriptions", "page", (SITE, 2, 100), "subscriptions_pkey"),
    ("events", "reporters", ([SITE] * 3, [1, 2, 3]), "subscriptions_pkey"),
    ("habits", "habits", ([SITE] * 3, [1, 2, 3]), "subscriptions_pkey"),
    ("habits", "learn", ([SITE], [1], [NOW], [None], ["00" * 24]), "subscriptions_pkey"),
    ("batches", "claim", ("me", NOW, 1_000, 1, 0, 1, ["fcm", "wns"], 1, 9), "batches_by_provider"),
    ("deliveries", "recorded", (SITE, MESSAGE, [1, 2, 3]), "deliveries_pkey"),
    ("deliveries", "open_at", (SITE, MESSAGE, [1, 2, 3], 1), "deliveries_pkey"),
    ("deliveries", "called_gone", (SITE, MESSAGE, [1, 2, 3]), "deliveries_pkey"),
    ("deliveries", "failed_page", (SITE, MESSAGE, 2, 100, None), "deliveries_failed"),
]


@pytest.fixture(params=["without statistics", "with statistics"])
async def filled(postgres_server: PostgresServer, request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """In a database of its own that nobody vacuums: what was in a shared one before is remembered in its
    statistics."""
    database = await open_database(await postgres_server.create(), migrate=False)
    await add_site(database)
    await add_sending(database)

    async def fill(tx: Transaction) -> None:
        for table in _FILLED:
            await tx.fetch(Query("settle", "", f"alter table {table} set (autovacuum_enabled = off)"))
        rows = [(n, new_subscription(n, external_id=f"e{n}")) for n in range(1, 4_001)]
        await subscriptions.add_many(tx, SITE, rows, NOW)
        await deliveries.record(tx, [result(n) for n in range(1, 4_001)])
        await batches.add_many(tx, [batch() for _ in range(2_000)])
        if request.param == "without statistics":
            return
        for table in _FILLED:
            await tx.fetch(Query("analyze", "", f"analyze {table}"))

    await database.write(fill)
    yield database
    await database.close()


def _plan(query: Query, arguments: Sequence[Any]) -> Body[Sequence[Row]]:
    return lambda tx: tx.fetch(query, *arguments)


async def test_postgres_uses_the_index_it_was_written_for(filled: Database) -> None:
    for aggregate, block, arguments, index in POSTGRES:
        text = queries.load(aggregate)[block].postgres
        explained = Query("plan", "", f"explain {text}")
        rows = await filled.write(_plan(explained, arguments))
        plan = "\n".join(row[0] for row in rows)
        assert index in plan, f"{aggregate}.{block}\n{plan}"
        assert "Bitmap" not in plan, plan
        assert "Sort" not in plan or block == "claim", plan
        assert "Seq Scan on subscriptions" not in plan
        assert "Seq Scan on deliveries" not in plan
        assert "Seq Scan on batches" not in plan, plan
