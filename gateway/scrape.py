"""What `/metrics` answers: this process, all living senders, and what the database knows of the whole."""

from gateway.context import Context
from gateway.figures import living, render
from gateway.process import Role
from gateway.standing import read_standing
from storage.errors import StorageUnavailable


async def render_metrics(context: Context) -> bytes:
    """As Prometheus reads them. Without a database this process' own: worth showing all the more then."""
    try:
        senders = [each for each in await living(context) if each.role == Role.SEND]
        standing = await read_standing(context)
    except StorageUnavailable:
        return render(context.registry, (), ())
    return render(context.registry, senders, standing)
