import asyncio
import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.context import Context
from gateway.errors import SealedValueUnreadable
from gateway.keys import open_key
from gateway.master_key import MasterKey
from gateway.webpush import ApplicationServerKey as KeyPair
from storage import keys
from storage.database import Transaction
from storage.ids import Kind, decode_id
from storage.keys import KeyState
from tests.api.conftest import Api


def base64url_of(pair: KeyPair) -> str:
    return base64.urlsafe_b64encode(pair.raw).rstrip(b"=").decode()


async def test_a_site_starts_with_one_active_key(api: Api, site: str) -> None:
    listed = await api.get(f"/v1/sites/{site}/keys")
    assert [each["state"] for each in listed["items"]] == ["active"]
    assert (
        listed["items"][0]["application_server_key"]
        == (await api.get(f"/v1/sites/{site}"))["application_server_key"]
    )


@pytest.mark.parametrize("body", [None, {}, {"private_key": None}])
async def test_a_key_is_made_and_serves_new_subscriptions(api: Api, site: str, body: object) -> None:
    made = await api.post(f"/v1/sites/{site}/keys", body)
    assert (await api.get(f"/v1/sites/{site}"))["application_server_key"] == made["application_server_key"]
    assert (await api.get(f"/v1/sites/{site}/keys"))["items"][0] == made


async def test_a_key_is_imported_as_base64url_and_as_pem(api: Api, site: str) -> None:
    one, other = KeyPair.generate(), KeyPair.generate()
    pem = other.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    first = await api.post(f"/v1/sites/{site}/keys", {"private_key": base64url_of(one)})
    second = await api.post(f"/v1/sites/{site}/keys", {"private_key": pem})
    assert (first["application_server_key"], second["application_server_key"]) == (one.public, other.public)
    assert "private_key" not in first


async def test_a_key_that_the_site_has_already_is_a_conflict(api: Api, site: str) -> None:
    body = {"private_key": base64url_of(KeyPair.generate())}
    await api.post(f"/v1/sites/{site}/keys", body)
    problem = await api.post(f"/v1/sites/{site}/keys", body, 409)
    assert problem["code"] == "conflict"
    assert len((await api.get(f"/v1/sites/{site}/keys"))["items"]) == 2


async def test_the_same_key_may_serve_two_sites(api: Api, site: str) -> None:
    body = {"private_key": base64url_of(KeyPair.generate())}
    await api.post(f"/v1/sites/{site}/keys", body)
    await api.post(f"/v1/sites/{await api.new_site()}/keys", body)


RSA = rsa.generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
P384 = ec.generate_private_key(ec.SECP384R1()).private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
)


@pytest.mark.parametrize(
    "private_key",
    ["", "secret", "AAAA", "A" * 43, "_" * 43, "x" * 5000, RSA.decode(), P384.decode(), "-----BEGIN", 7],
)
async def test_what_is_no_private_key_is_refused_and_not_repeated(
    api: Api, site: str, private_key: object
) -> None:
    problem = await api.post(f"/v1/sites/{site}/keys", {"private_key": private_key}, 400)
    assert [each["path"] for each in problem["errors"]] == ["private_key"]
    assert not private_key or str(private_key) not in str(problem) or private_key == 7


async def test_a_retired_key_stays_in_the_list_and_the_last_active_one_cannot_be_retired(
    api: Api, site: str
) -> None:
    first = (await api.get(f"/v1/sites/{site}/keys"))["items"][0]["id"]
    problem = await api.delete(f"/v1/sites/{site}/keys/{first}", 409)
    assert problem["code"] == "wrong_state"
    second = (await api.post(f"/v1/sites/{site}/keys"))["id"]
    await api.delete(f"/v1/sites/{site}/keys/{first}")
    await api.delete(f"/v1/sites/{site}/keys/{first}")
    states = {each["id"]: each["state"] for each in (await api.get(f"/v1/sites/{site}/keys"))["items"]}
    assert states == {first: "retired", second: "active"}
    await api.delete(f"/v1/sites/{site}/keys/{second}", 409)


async def test_two_keys_retired_at_once_leave_one(api: Api, site: str) -> None:
    await api.post(f"/v1/sites/{site}/keys")
    ids = [each["id"] for each in (await api.get(f"/v1/sites/{site}/keys"))["items"]]
    answers = await asyncio.gather(
        *(
            api.client.delete(f"/v1/sites/{site}/keys/{id}", headers={"Authorization": f"Bearer {api.token}"})
            for id in ids
        )
    )
    assert sorted(each.status for each in answers) == [204, 409]


async def test_another_sites_key_is_not_found(api: Api, site: str) -> None:
    other = await api.new_site()
    key = (await api.get(f"/v1/sites/{other}/keys"))["items"][0]["id"]
    await api.delete(f"/v1/sites/{site}/keys/{key}", 404)


async def test_private_keys_are_sealed_for_their_site_under_the_master_key(
    api: Api, site: str, context: Context
) -> None:
    pair = KeyPair.generate()
    made = await api.post(f"/v1/sites/{site}/keys", {"private_key": base64url_of(pair)})

    async def body(tx: Transaction) -> keys.ApplicationServerKey:
        return await keys.get(tx, decode_id(Kind.SITE, site), decode_id(Kind.KEY, made["id"]))

    stored = await context.database.read(body)
    assert pair.raw not in stored.sealed_private_key
    assert open_key(context.master_key, stored) == pair
    with pytest.raises(SealedValueUnreadable):
        open_key(MasterKey(bytes(32)), stored)


async def paused_key(api: Api, site: str, context: Context) -> str:
    key = (await api.post(f"/v1/sites/{site}/keys"))["id"]

    async def body(tx: Transaction) -> None:
        id = decode_id(Kind.KEY, key)
        assert await keys.set_state(tx, id, KeyState.ACTIVE, KeyState.PAUSED, "20 of 30 answers were 403")

    await context.database.write(body)
    return str(key)


async def test_a_paused_key_says_why_and_is_resumed(api: Api, site: str, context: Context) -> None:
    key = await paused_key(api, site, context)
    path = f"/v1/sites/{site}/keys"
    shown = (await api.get(path))["items"][0]
    assert (shown["state"], shown["state_reason"]) == ("paused", "20 of 30 answers were 403")
    assert (await api.get(f"/v1/sites/{site}"))["application_server_key"] != shown["application_server_key"]
    resumed = await api.post(f"{path}/{key}/resume", status=200)
    assert resumed == {**shown, "state": "active", "state_reason": None}
    assert (await api.get(f"/v1/sites/{site}"))["application_server_key"] == shown["application_server_key"]
    latest = (await api.get("/v1/audit"))["items"][0]
    assert (latest["action"], latest["target"]) == ("key.resumed", key)


async def test_only_a_paused_key_is_resumed(api: Api, site: str, context: Context) -> None:
    key = await paused_key(api, site, context)
    path = f"/v1/sites/{site}/keys/{key}"
    await api.post(f"{path}/resume", status=200)
    assert (await api.post(f"{path}/resume", status=409))["code"] == "wrong_state"
    await api.delete(path)
    assert "retired" in (await api.post(f"{path}/resume", status=409))["detail"]


async def test_another_sites_key_is_not_resumed(api: Api, site: str, context: Context) -> None:
    key = await paused_key(api, await api.new_site(), context)
    await api.post(f"/v1/sites/{site}/keys/{key}/resume", status=404)
    sender = api.with_token(await api.new_token(site, "send", "read"))
    await sender.post(f"/v1/sites/{site}/keys/{await paused_key(api, site, context)}/resume", status=403)
