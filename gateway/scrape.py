"""What `/metrics` answers: this process, all living senders, and what the database knows of the whole."""

from prometheus_client import CollectorRegistry

from gateway.context import Context
from gateway.figures import living, render
from gateway.process import Role
from gateway.standing import read_standing
from storage.errors import StorageUnavailable


async def render_metrics(context: Context) -> bytes:
    """As Prometheus reads them. Without a database this process' own: worth showing all the more then.

    A process that shares its port shows what all who do have reported, itself as well: whoever is asked next
    must not count less.
    """
    family = context.family
    try:
        found = await living(context)
        standing = await read_standing(context)
    except StorageUnavailable:
        return render(context.registry, (), ())
    shown = [each for each in found if each.role == Role.SEND or (family and each.owner.startswith(family))]
    return render(CollectorRegistry() if family else context.registry, shown, standing)
