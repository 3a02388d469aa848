"""Routes for admins and their back ends."""

from gateway.api.route import Route

ADMIN_ROUTES: tuple[Route, ...] = ()
