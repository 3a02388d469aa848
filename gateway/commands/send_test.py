"""`send-test`: one push to one subscription, with everything the push service says; optionally once more
through pywebpush, an implementation that shares nothing with ours but the RFCs."""

import asyncio
import json
from argparse import Namespace

from gateway.app import make_transport, open_context
from gateway.commands.target import TTL, Target
from gateway.commands.tokens import read_id
from gateway.content import Notification
from gateway.context import Context
from gateway.errors import NotFound, WrongState
from gateway.keys import open_key
from gateway.logs import redact_endpoint
from gateway.payload import PayloadTemplate
from gateway.settings import Settings
from gateway.webpush import (
    Answer,
    PushRequest,
    Reply,
    RequestHeaders,
    Verdict,
    classify,
    encrypt,
)
from storage import keys, sites, subscriptions
from storage.database import Transaction
from storage.ids import Kind
from storage.messages import Priority
from storage.subscriptions import Subscription


async def send_test(settings: Settings, args: Namespace) -> int:
    """Exit code 0 when the push service took it (with pywebpush: when both got the same kind of answer)."""
    site_id = read_id(Kind.SITE, args.site)
    subscription_id = read_id(Kind.SUBSCRIPTION, args.subscription)
    async with open_context(settings, migrate=False) as context:
        target = await _find(context, site_id, subscription_id)
        print(f"endpoint  {redact_endpoint(target.subscription.endpoint)} ({target.origin.provider})")
        print(f"payload   {len(target.plaintext)} bytes: {target.plaintext.decode()}")
        reply = await _post(context, target)
        ours = classify(target.origin.provider, reply, context.clock.now())
        _show("gateway", reply, ours)
        if args.through is None:
            return 0 if ours.answer is Answer.ACCEPTED else 1
        # Imported by those who ask for it only: it brings requests and its kin into the process.
        from gateway.commands.reference import post_through_pywebpush

        ca_file = settings.push_ca_file
        reply = await asyncio.to_thread(post_through_pywebpush, target, ca_file)
        theirs = classify(target.origin.provider, reply, context.clock.now())
        _show("pywebpush", reply, theirs)
        same = ours.answer is theirs.answer
        print("The answers agree." if same else "The answers differ: please report this.")
        return 0 if same else 1


async def _find(context: Context, site_id: int, subscription_id: int) -> Target:
    async def body(tx: Transaction) -> tuple[Subscription, keys.ApplicationServerKey, str]:
        site = await sites.get(tx, site_id)
        found = await subscriptions.get(tx, site_id, subscription_id)
        return found, await keys.get(tx, site_id, found.key_id), site.contact

    subscription, key, contact = await context.database.read(body)
    if not subscription.endpoint:
        raise NotFound("This subscription was erased.")
    if key.state is not keys.KeyState.ACTIVE:
        raise WrongState(f"The subscription's application server key is {key.state}.")
    # Without an event token: it belongs to no message, so nothing is to be counted.
    template = PayloadTemplate(
        0,
        Notification(title="Test", body="Sent by send-test."),
        context.settings.public_url,
        Priority.TRANSACTIONAL,
    )
    return Target(
        subscription,
        context.push_hosts.origin(subscription.endpoint),
        open_key(context.master_key, key),
        contact,
        template.render(""),
    )


async def _post(context: Context, target: Target) -> Reply:
    headers = RequestHeaders(context.clock.now).get(target.key, target.contact, target.origin, TTL)
    body = encrypt(target.plaintext, target.subscription.p256dh, target.subscription.auth)
    replied: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
    transport = make_transport(context.settings)
    try:
        transport.post(
            PushRequest(target.subscription.endpoint, target.origin, headers, body),
            lambda _, reply: replied.set_result(reply),
        )
        return await replied
    finally:
        transport.close()


def _show(sender: str, reply: Reply, verdict: Verdict) -> None:
    print(f"\n{sender}: {verdict.answer} ({reply.status or reply.error})")
    for line in reply.lines:
        text = line.decode("latin-1").strip()
        if text:
            print(f"  {text}")
    if reply.body:
        print(f"  {json.dumps(reply.body.decode('utf-8', 'replace'))}")
    if verdict.reason:
        print(f"  {verdict.reason}")
