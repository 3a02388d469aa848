"""What depends on how transactions meet each other, again on PostgreSQL, where they really run at once."""

from collections.abc import AsyncIterator

import pytest

from storage.database import Database
from storage.opening import open_database
from tests.api.test_access import (  # noqa: F401
    test_a_preset_admin_token_replaces_the_one_that_was_preset_before,
    test_a_revoked_token_stops_working_at_once,
    test_the_first_start_makes_one_admin_token_and_shows_it_once,
)
from tests.api.test_audit import (  # noqa: F401
    test_every_change_is_in_the_audit_log_with_who_and_what,
    test_the_log_is_asked_for_one_site_action_or_actor,
)
from tests.api.test_control_characters import (  # noqa: F401
    test_a_page_that_writes_nul_is_told_so,
    test_an_admin_who_writes_nul_is_told_so,
    test_lines_with_nul_are_reported_and_the_others_are_kept,
    test_nul_in_a_notifications_text_is_kept,
    test_nul_in_a_query_is_refused,
)
from tests.api.test_failures import (  # noqa: F401
    test_all_failures_are_exported_as_lines,
    test_failures_of_one_outcome,
)
from tests.api.test_images import (  # noqa: F401
    test_a_picture_is_made_small_listed_shown_and_deleted,
    test_the_same_picture_from_many_at_once_is_one_image,
)
from tests.api.test_keys import (  # noqa: F401
    test_a_key_that_the_site_has_already_is_a_conflict,
    test_two_keys_retired_at_once_leave_one,
)
from tests.api.test_messages import (  # noqa: F401
    test_a_message_with_everything_is_shown_as_it_was_asked_for,
    test_a_repeated_request_makes_one_message,
    test_cancel_races_have_one_winner,
    test_different_requests_at_once_with_one_key_make_one_message,
    test_many_equal_requests_at_once_make_one_message,
    test_messages_are_listed_newest_first_without_their_audiences,
    test_two_changes_at_once_both_count,
)
from tests.api.test_pausing import (  # noqa: F401
    test_a_message_paused_before_its_start_is_scheduled_again,
    test_of_many_who_resume_at_once_one_does,
)
from tests.api.test_quotas import (  # noqa: F401
    test_an_import_ends_where_the_quota_does,
    test_of_many_browsers_at_once_as_many_come_in_as_may,
    test_the_rate_is_the_slower_of_the_sites_own_and_its_quota,
)
from tests.api.test_replays import (  # noqa: F401
    test_a_repeated_replay_is_one,
    test_a_replay_is_a_new_message_to_those_who_failed_and_are_active,
)
from tests.api.test_segments import (  # noqa: F401
    test_a_name_and_an_expression_that_change_at_once_both_count,
)
from tests.api.test_sites import (  # noqa: F401
    test_a_change_touches_only_what_it_names,
    test_a_deleted_site_is_gone_with_its_tokens,
)
from tests.api.test_subscriptions import (  # noqa: F401
    test_what_a_page_and_an_admin_add_at_once_is_all_kept,
)
from tests.api.test_throttles import (  # noqa: F401
    test_a_site_sees_its_own_and_whole_providers,
    test_a_sites_rate_is_set_and_lifted,
    test_who_was_wrongly_called_gone_is_active_again,
)
from tests.api.test_uploads import (  # noqa: F401
    test_what_was_uploaded_for_a_visitor_is_erased_with_all_of_them_at_once,
)
from tests.databases import PostgresServer


@pytest.fixture
async def database(postgres_server: PostgresServer) -> AsyncIterator[Database]:
    opened = await open_database(await postgres_server.emptied(), migrate=False)
    yield opened
    await opened.close()
