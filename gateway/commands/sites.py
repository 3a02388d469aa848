"""`site new`, `site list`, and `demo`, which makes the site that `make run` shows."""

from argparse import Namespace
from urllib.parse import urlsplit

from gateway import access, audit, sites
from gateway.app import open_context
from gateway.context import Context
from gateway.errors import InvalidRequest
from gateway.settings import Settings
from storage import sites as stored_sites
from storage.database import Transaction
from storage.ids import Kind, encode_id
from storage.sites import Site

PAGE = 200
DEMO_CONTACT = "mailto:demo@example.com"


async def new(settings: Settings, args: Namespace) -> None:
    contact = args.contact or next((each for each in args.origin if each.startswith("https://")), None)
    if contact is None:
        raise InvalidRequest("Give --contact mailto:you@example.com: push services ask for one.")
    async with open_context(settings) as context:
        made = await sites.create_site(
            context, audit.COMMAND_LINE, name=args.name, origins=args.origin, contact=contact
        )
    print(encode_id(Kind.SITE, made.site.id))
    print(f"application server key  {made.application_server_key}")
    print(f"snippet                 {sites.snippet(settings.public_url, made.site.id)}")


async def show(settings: Settings, _: Namespace) -> None:
    async with open_context(settings) as context:
        after: int | None = None
        while found := await sites.page_of_sites(context, after, PAGE, None):
            for each in found:
                print(
                    f"{encode_id(Kind.SITE, each.site.id)}  {each.site.name}  {' '.join(each.site.origins)}"
                )
            after = found[-1].site.id


async def demo(settings: Settings, _: Namespace) -> None:
    """Before each `serve` of `make run`: a demo site, and the admin token if there is none yet.

    The site's origin follows the public URL: who starts on another port today opens the page there.
    """
    url = urlsplit(settings.public_url)
    origin = f"{url.scheme}://{url.netloc}"
    async with open_context(settings) as context:
        secret = await access.ensure_admin_token(context)
        known = await _demo_site(context)
        if known is None:
            await sites.create_site(
                context,
                audit.COMMAND_LINE,
                name="Demo",
                origins=[origin],
                contact=DEMO_CONTACT,
                demo=True,
            )
        elif origin not in known.origins:
            change = sites.SiteChange(origins=[*known.origins, origin])
            await sites.change_site(context, audit.COMMAND_LINE, known.id, change)
    show_admin_token(secret)
    print(f"Dashboard    {settings.public_url}/admin/")
    print(f"Demo page    {settings.public_url}/demo/")
    print(f"API          {settings.public_url}/docs", flush=True)


def show_admin_token(secret: str | None) -> None:
    """On standard output and nowhere else: a log is kept, and read by others."""
    if secret is not None:
        print(f"Admin token  {secret}  (shown this once)", flush=True)


async def _demo_site(context: Context) -> Site | None:
    async def body(tx: Transaction) -> Site | None:
        return await stored_sites.find_demo(tx)

    return await context.database.read(body)
