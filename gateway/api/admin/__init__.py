"""Routes for admins and their back ends."""

from gateway.api.admin import (
    audit,
    automations,
    categories,
    failures,
    health,
    keys,
    live,
    message_tools,
    messages,
    previews,
    releases,
    segments,
    site_events,
    sites,
    subscriptions,
    templates,
    throttles,
    tokens,
)
from gateway.api.route import Route

ADMIN_ROUTES: tuple[Route, ...] = (
    *sites.ROUTES,
    *keys.ROUTES,
    *tokens.ROUTES,
    *subscriptions.ROUTES,
    *messages.ROUTES,
    *message_tools.ROUTES,
    *previews.ROUTES,
    *releases.ROUTES,
    *segments.ROUTES,
    *categories.ROUTES,
    *templates.ROUTES,
    *automations.ROUTES,
    *site_events.ROUTES,
    *live.ROUTES,
    *failures.ROUTES,
    *throttles.ROUTES,
    *audit.ROUTES,
    *health.ROUTES,
)
