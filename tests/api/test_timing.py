"""When a message is sent, as an admin asks for it."""

from typing import Any

import pytest

from gateway.api.moments import to_moment
from tests.api.conftest import Api
from tests.fakes.clock import FakeClock

LOCAL = {"at": "2026-01-03T09:00"}


async def test_a_message_at_a_local_time_starts_when_the_first_zone_has_it(api: Api, site: str) -> None:
    made = await api.new_message(site, local_time=LOCAL)
    assert made["send_at"] == "2026-01-02T19:00:00Z"
    assert made["local_time"] == {"at": "2026-01-03T09:00", "late": "send"}
    assert made["quiet_hours"] == "respect"


async def test_a_message_without_rules_shows_their_defaults(api: Api, site: str) -> None:
    made = await api.new_message(site)
    assert (made["local_time"], made["quiet_hours"]) == (None, "respect")


async def test_changing_the_local_time_changes_the_start(api: Api, site: str) -> None:
    made = await api.new_message(site, local_time=LOCAL)
    path = f"/v1/sites/{site}/messages/{made['id']}"
    changed = await api.patch(path, {"local_time": {"at": "2026-01-04T09:30", "late": "skip"}})
    assert changed["send_at"] == "2026-01-03T19:30:00Z"
    changed = await api.patch(path, {"rate": 5, "quiet_hours": "override"})
    assert (changed["send_at"], changed["quiet_hours"]) == ("2026-01-03T19:30:00Z", "override")
    changed = await api.patch(path, {"local_time": None, "quiet_hours": None})
    assert (changed["local_time"], changed["quiet_hours"]) == (None, "respect")
    assert changed["send_at"] == "2026-01-04T09:30:00Z"  # the site's clock shows it: UTC
    changed = await api.patch(path, {"local_time": LOCAL})
    assert changed["send_at"] == "2026-01-02T19:00:00Z"
    problem = await api.patch(path, {"send_at": "2026-01-05T09:00:00Z"}, 400)
    assert [error["path"] for error in problem["errors"]] == ["send_at"]


@pytest.mark.parametrize("draft", [True, False])
async def test_what_is_left_of_a_local_time_is_that_time_on_the_sites_clock(
    api: Api, site: str, clock: FakeClock, draft: bool
) -> None:
    await api.patch(f"/v1/sites/{site}", {"settings": {"timezone": "America/New_York"}})
    made = await api.new_message(site, local_time=LOCAL, draft=draft)
    path = f"/v1/sites/{site}/messages/{made['id']}"
    assert (await api.patch(path, {"local_time": None}))["send_at"] == "2026-01-03T14:00:00Z"
    await api.patch(path, {"local_time": LOCAL})
    at = "2026-01-03T08:00:00Z"
    assert (await api.patch(path, {"local_time": None, "send_at": at}))["send_at"] == at
    await api.patch(path, {"local_time": LOCAL})
    clock.advance(7 * 24 * 3_600)
    late = await api.patch(path, {"local_time": None})
    assert late["send_at"] == to_moment(clock.now()).isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"local_time": LOCAL, "send_at": "2026-01-03T09:00:00Z"}, "send_at"),
        ({"local_time": LOCAL, "misfire": {"then": "expire"}}, "misfire"),
        ({"local_time": {"at": "2026-02-30T09:00"}}, "local_time.at"),
        ({"local_time": {"at": "2026-01-03T09:00Z"}}, "local_time.at"),
        ({"local_time": {"at": "2026-01-03T09:00", "late": "never"}}, "local_time.late"),
        ({"local_time": {"at": "2025-12-31T09:00", "late": "skip"}}, "local_time.at"),
        ({"local_time": LOCAL, "expires_at": "2026-01-02T19:00:00Z"}, "expires_at"),
        ({"quiet_hours": "ignore"}, "quiet_hours"),
    ],
)
async def test_a_time_that_makes_no_sense_is_refused(
    api: Api, site: str, clock: FakeClock, changes: dict[str, Any], path: str
) -> None:
    clock.advance(86_400)
    body = {"notification": {"title": "Sale"}, "audience": {"all": True}, **changes}
    problem = await api.post(f"/v1/sites/{site}/messages", body, 400)
    assert [error["path"] for error in problem["errors"]] == [path]
