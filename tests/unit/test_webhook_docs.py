"""What docs/webhooks.md tells receivers to run verifies what the gateway signs."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.dispatch.schedule import WAITS
from gateway.webhooks.packing import MOST_EVENTS
from gateway.webhooks.signing import new_secret, sign, write_secret
from gateway.webhooks.types import EventType

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "webhooks.md").read_text()
NOW = 1_767_225_600
BODY = '{"type":"events","text":"é"}'.encode()
SECRET, OTHER = new_secret(), new_secret()

Verify = Callable[[str, dict[str, str], bytes, float], bool]


def code(language: str) -> str:
    [found] = re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)
    return str(found)


def python(secret: str, headers: dict[str, str], body: bytes, now: float) -> bool:
    names: dict[str, Any] = {}
    exec(code("python"), names)
    return bool(names["verify"](secret, headers, body, now))


def javascript(secret: str, headers: dict[str, str], body: bytes, now: float) -> bool:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    call = f"verify({json.dumps(secret)}, {json.dumps(headers)}, Buffer.from('{body.hex()}', 'hex'), {now})"
    run = subprocess.run(
        [node, "-e", f"{code('js')}\nconsole.log({call});"], capture_output=True, text=True, check=True
    )
    return bool(json.loads(run.stdout))


def headers(*secrets: bytes, timestamp: int = NOW) -> dict[str, str]:
    return {
        "webhook-id": "whd_1",
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(secrets, "whd_1", timestamp, BODY),
    }


@pytest.mark.parametrize("verify", [python, javascript])
def test_the_guides_code_takes_what_is_ours_and_nothing_else(verify: Verify) -> None:
    secret = write_secret(SECRET)
    assert verify(secret, headers(SECRET), BODY, NOW + 299)
    assert verify(secret, headers(OTHER, SECRET), BODY, NOW)
    assert not verify(secret, headers(OTHER), BODY, NOW)
    assert not verify(secret, headers(SECRET), BODY + b" ", NOW)
    assert not verify(secret, headers(SECRET) | {"webhook-id": "whd_2"}, BODY, NOW)
    assert not verify(secret, headers(SECRET), BODY, NOW + 301)
    assert not verify(secret, headers(SECRET) | {"webhook-timestamp": str(NOW + 1)}, BODY, NOW)
    assert not verify(secret, headers(SECRET) | {"webhook-signature": "v1a,x v1 v1,"}, BODY, NOW)


def test_a_signature_is_the_one_of_the_specification() -> None:
    """Computed by hand with `openssl dgst -sha256 -mac HMAC`."""
    key = bytes(range(32))
    assert write_secret(key) == "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    assert sign([key], "msg_1", 1_674_087_231, b"{}") == "v1,BxU1mYCBV2ldG2HAG6MnEv0UJfY6XIfbCpPpj/9VI/Y="


def test_the_guide_names_every_type_and_the_limits() -> None:
    for type in EventType:
        assert f"`{type.value}`" in GUIDE
    assert f"up to {MOST_EVENTS} events" in GUIDE
    assert [wait // 1_000 for wait in WAITS[:4]] == [5, 60, 300, 1_800]
    assert len(WAITS) + 1 == 10
