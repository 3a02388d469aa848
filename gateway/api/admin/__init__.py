"""Routes for admins and their back ends."""

from gateway.api.admin import (
    audit,
    failures,
    health,
    keys,
    messages,
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
    *templates.ROUTES,
    *failures.ROUTES,
    *throttles.ROUTES,
    *audit.ROUTES,
    *health.ROUTES,
)
