"""Recipients by the hundred thousand, each with data of their own, streamed to a draft: never all in memory.

An upload is a list of its own until it is complete; then it takes the place of what the draft had. A stream
that breaks off changes nothing.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable
from dataclasses import replace
from typing import Annotated, Any

from msgspec import Meta, Struct, json

from gateway import audit
from gateway.audience import AudienceSpec, read_audience, write_audience
from gateway.context import Context
from gateway.errors import FieldError, InvalidRequest, TooLarge, WrongState
from gateway.imports import MAX_ERRORS, LineError
from gateway.nesting import check_nesting
from gateway.subscription_fields import ExternalId
from gateway.subscription_lines import MAX_LINE, split_lines
from gateway.webpush import MAX_PLAINTEXT
from storage import audit as stored_audit
from storage import locks, messages, recipients, sites
from storage.database import Transaction
from storage.ids import Kind, encode_id
from storage.messages import Message, MessageState

MOST_LINES = 5_000_000
MOST_BYTES = 4 * 1024**3

_BATCH = 1_000  # some 5 ms under the write lock
_BREATH = 100  # lines between two looks at everybody else's requests: about a millisecond
_encode = json.Encoder().encode


class RecipientLine(Struct, frozen=True, forbid_unknown_fields=True):
    external_id: ExternalId
    data: dict[str, Any] = {}


class UploadResult(Struct, kw_only=True):
    """lines = recipients + refused."""

    lines: Annotated[int, Meta(description="Lines that are not empty.")] = 0
    recipients: Annotated[int, Meta(description="Names that the message has now.")] = 0
    refused: Annotated[int, Meta(description="Malformed, too large, or named before.")] = 0
    errors: Annotated[list[LineError], Meta(description=f"The first {MAX_ERRORS}.")] = []


Decode = Callable[[bytes], RecipientLine]


async def upload_recipients(
    context: Context,
    actor: str,
    site_id: int,
    message_id: int,
    chunks: AsyncIterable[bytes],
    decode: Decode,
) -> UploadResult:
    """Give a draft the recipients of the stream instead of those that it had.

    `decode` reads one line; InvalidRequest when it is none, without `errors` when it is no JSON. WrongState:
    it is no draft, its audience is another, or the upload took longer than a day; TooLarge;
    storage.errors.NotFound.
    """
    list_id, now = context.ids.next(), context.clock.now()

    async def begin(tx: Transaction) -> None:
        await sites.get(tx, site_id)
        _check(await messages.get(tx, site_id, message_id))
        await recipients.begin(tx, site_id, list_id, message_id, now)

    await context.database.write(begin)
    upload = _Upload(context, site_id, list_id, decode)
    async for number, line in split_lines(_bounded(chunks)):
        if upload.result.lines % _BREATH == 0:
            await asyncio.sleep(0)
        upload.take(number, line)
        if len(upload.batch) >= _BATCH:
            await upload.store()
    await upload.store()
    upload.result.errors.sort(key=lambda error: error.line)  # who was named before is found a little later
    await _take_over(context, actor, site_id, message_id, list_id, upload.result)
    return upload.result


async def _take_over(
    context: Context, actor: str, site_id: int, message_id: int, list_id: int, result: UploadResult
) -> None:
    counts = {name: getattr(result, name) for name in ("lines", "recipients", "refused")}
    target = encode_id(Kind.MESSAGE, message_id)
    note = audit.entry(context, actor, "message.recipients_uploaded", target, site_id, counts)
    audience = write_audience(AudienceSpec(uploaded=list_id, names=result.recipients))

    async def body(tx: Transaction) -> None:
        await locks.hold(tx, message_id)
        await sites.get(tx, site_id)
        message = await messages.get(tx, site_id, message_id)
        _check(message)
        await messages.update_before_start(tx, replace(message, audience_spec=audience))
        if not await recipients.use(tx, site_id, list_id, message_id, note.at):
            raise WrongState("The upload took so long that what had come in was removed.")
        await stored_audit.add(tx, note)

    await context.database.write(body)


def _check(message: Message) -> None:
    if message.state is not MessageState.DRAFT:
        raise WrongState(f"Recipients are uploaded to a draft, and this message is {message.state}.")
    if not isinstance(read_audience(message.audience_spec).uploaded, int):
        raise WrongState('Recipients are uploaded to a draft whose audience is {"uploaded": true}.')


async def _bounded(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > MOST_BYTES:
            raise TooLarge(f"An upload has at most {MOST_BYTES} bytes.")
        yield chunk


class _Upload:
    """One upload under way: at most a batch of parsed lines in memory."""

    def __init__(self, context: Context, site_id: int, list_id: int, decode: Decode) -> None:
        self._context = context
        self._site_id = site_id
        self._list_id = list_id
        self._decode = decode
        self.batch: dict[str, tuple[int, str]] = {}  # by external id: the number of the line, and JSON
        self.result = UploadResult()

    def take(self, number: int, line: bytes | None) -> None:
        """TooLarge: there were too many before."""
        if self.result.lines == MOST_LINES:
            raise TooLarge(f"An upload has at most {MOST_LINES} lines.")
        self.result.lines += 1
        try:
            external_id, data = self._parse(line)
        except InvalidRequest as exc:
            wrong = exc.errors or (FieldError("", "The line is not a JSON object in UTF-8."),)
            self._refuse(number, *wrong)
        else:
            if external_id in self.batch:
                self._refuse(number, _NAMED_BEFORE)
            else:
                self.batch[external_id] = (number, data)

    async def store(self) -> None:
        """Write the batch, if there is one, in one transaction."""
        if not self.batch:
            return
        batch, self.batch = self.batch, {}
        rows = [(external_id, data) for external_id, (_, data) in batch.items()]

        async def body(tx: Transaction) -> set[str]:
            return await recipients.add_many(tx, self._site_id, self._list_id, rows)

        added = await self._context.database.write(body)
        self.result.recipients += len(added)
        for external_id, (number, _) in batch.items():
            if external_id not in added:
                self._refuse(number, _NAMED_BEFORE)

    def _parse(self, line: bytes | None) -> tuple[str, str]:
        """External id and JSON. InvalidRequest with what is wrong."""
        if line is None:
            raise InvalidRequest(errors=[FieldError("", f"The line is longer than {MAX_LINE} bytes.")])
        read = self._decode(line)
        errors = check_nesting(read.data, "data")
        if errors:
            raise InvalidRequest(errors=errors)
        data = _encode(read.data)
        if len(data) > MAX_PLAINTEXT:
            over = len(data) - MAX_PLAINTEXT
            raise InvalidRequest(errors=[FieldError("data", f"This is {over} bytes too large for a push.")])
        return read.external_id, data.decode()

    def _refuse(self, number: int, *errors: FieldError) -> None:
        self.result.refused += 1
        free = MAX_ERRORS - len(self.result.errors)
        self.result.errors += [LineError(number, each.path, each.message) for each in errors[:free]]


_NAMED_BEFORE = FieldError("external_id", "This recipient is named before.")
