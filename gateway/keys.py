"""Application server keys of sites: made or imported, sealed under the master key, resumed, retired."""

from collections.abc import Sequence

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway import audit
from gateway.context import Context
from gateway.errors import Conflict, FieldError, InvalidRequest, WrongState
from gateway.master_key import MasterKey
from gateway.webpush import ApplicationServerKey as KeyPair
from gateway.webpush import InvalidKey, encode_base64url
from storage import audit as stored_audit
from storage import keys, locks, sites
from storage.database import Transaction
from storage.errors import Conflict as AlreadyStored
from storage.ids import Kind, encode_id
from storage.keys import ApplicationServerKey, KeyState

# Milliseconds until whoever waits for a paused key is looked at again, at most. A resume waits for nothing.
LONGEST_WAIT = 600_000


def seal_key(context: Context, site_id: int, pair: KeyPair) -> ApplicationServerKey:
    """A new row for `pair`, its private half encrypted."""
    public_key = pair.private_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return ApplicationServerKey(
        id=context.ids.next(),
        site_id=site_id,
        public_key=public_key,
        sealed_private_key=context.master_key.seal(pair.raw, _seal_context(site_id)),
        state=KeyState.ACTIVE,
        state_reason=None,
        created_at=context.clock.now(),
    )


def open_key(master_key: MasterKey, stored: ApplicationServerKey) -> KeyPair:
    """The key pair to sign with. SealedValueUnreadable when it was sealed under another master key."""
    return KeyPair.from_raw(master_key.open(stored.sealed_private_key, _seal_context(stored.site_id)))


def public_text(stored: ApplicationServerKey) -> str:
    """Base64url, 87 characters: what `pushManager.subscribe` takes as applicationServerKey."""
    return encode_base64url(stored.public_key)


def _seal_context(site_id: int) -> str:
    """A sealed key copied to another site's row does not open there."""
    return f"application server key of site {site_id}"


async def list_keys(context: Context, site_id: int) -> Sequence[ApplicationServerKey]:
    """Newest first, retired ones too."""

    async def body(tx: Transaction) -> Sequence[ApplicationServerKey]:
        await sites.get(tx, site_id)
        return await keys.of_site(tx, site_id)

    return await context.database.read(body)


async def add_key(
    context: Context, actor: str, site_id: int, private_key: str | None
) -> ApplicationServerKey:
    """Make a key, or import one (base64url of 32 bytes, or PEM). New subscriptions get it from now on.

    InvalidRequest: it is no P-256 private key; Conflict: the site has it already; NotFound: no such site.
    """
    try:
        pair = KeyPair.generate() if private_key is None else KeyPair.parse(private_key)
    except InvalidKey as exc:
        raise InvalidRequest(errors=[FieldError("private_key", f"{exc}.")]) from None
    key = seal_key(context, site_id, pair)
    action = "key.created" if private_key is None else "key.imported"
    note = audit.entry(context, actor, action, encode_id(Kind.KEY, key.id), site_id)

    async def body(tx: Transaction) -> None:
        await sites.get(tx, site_id)
        await keys.add(tx, key)
        await stored_audit.add(tx, note)

    try:
        await context.database.write(body)
    except AlreadyStored as exc:
        raise Conflict("The site has this key already.") from exc
    return key


async def resume_key(context: Context, actor: str, site_id: int, key_id: int) -> ApplicationServerKey:
    """Send again with a key that was paused because push services refused it, once that is put right.

    WrongState unless it is paused; NotFound.
    """
    note = audit.entry(context, actor, "key.resumed", encode_id(Kind.KEY, key_id), site_id)

    async def body(tx: Transaction) -> ApplicationServerKey:
        await sites.get(tx, site_id)
        key = await keys.get(tx, site_id, key_id)
        if not await keys.set_state(tx, key_id, KeyState.PAUSED, KeyState.ACTIVE, None):
            raise WrongState(f"A key that is {key.state} cannot be resumed.")
        await stored_audit.add(tx, note)
        return await keys.get(tx, site_id, key_id)

    key = await context.database.write(body)
    await end_wait(context, site_id)
    return key


async def end_wait(context: Context, site_id: int) -> None:
    """Whoever waits for a key of the site is looked at now. In steps: they may be a million."""
    now = context.clock.now()
    while await context.database.write(lambda tx: keys.end_wait(tx, site_id, now, now + LONGEST_WAIT)):
        pass


async def retire_key(context: Context, actor: str, site_id: int, key_id: int) -> None:
    """Subscriptions made with it are no longer sent to, until their browsers come back and get the newest.

    WrongState for the last active key: the site could neither subscribe nor send. NotFound: no such key.
    Retiring a key twice is no error.
    """
    note = audit.entry(context, actor, "key.retired", encode_id(Kind.KEY, key_id), site_id)

    async def body(tx: Transaction) -> None:
        await locks.hold(tx, site_id)
        await sites.get(tx, site_id)
        key = await keys.get(tx, site_id, key_id)
        if key.state is KeyState.RETIRED:
            return
        others = [each for each in await keys.of_site(tx, site_id) if each.id != key_id]
        if not any(each.state is KeyState.ACTIVE for each in others):
            raise WrongState("This is the site's last active key: add another one first.")
        await keys.retire(tx, site_id, key_id)
        await stored_audit.add(tx, note)

    await context.database.write(body)
    await end_wait(context, site_id)  # it may have been paused
