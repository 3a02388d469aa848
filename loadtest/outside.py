"""Contenders that bring an environment of their own (loadtest/install.sh): node web-push and webpush-rs.

Each is a program that reads its work from stdin as JSON: `subscriptions` ([endpoint, p256dh, auth]), `text`,
`ttl`, `contact`, `public_key`, `private_key`, `ca_file`, `concurrent`. It answers with contenders.Used.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import msgspec

from gateway.webpush import ApplicationServerKey, encode_base64url
from loadtest.contenders import CONCURRENT, CONTACT, TEXT, TTL, Used, make_subscriptions
from loadtest.sink import Sink

ROOT = Path(__file__).parent.parent
WITHIN = 120  # seconds for a run


@dataclass(frozen=True, slots=True)
class Program:
    """`needs` is what loadtest/install.sh makes."""

    name: str
    command: tuple[str, ...]
    needs: Path

    @property
    def installed(self) -> bool:
        return self.needs.exists() and shutil.which(self.command[0], path=_path()) is not None

    def run(self, sink: Sink, count: int) -> Used:
        """RuntimeError with what it said when it fails."""
        key = ApplicationServerKey.generate()
        work = {
            "subscriptions": make_subscriptions(sink.url, count),
            "text": TEXT,
            "ttl": TTL,
            "contact": CONTACT,
            "public_key": key.public,
            "private_key": encode_base64url(key.raw),
            "ca_file": str(sink.ca_file),
            "concurrent": CONCURRENT,
        }
        done = subprocess.run(
            self.command,
            input=msgspec.json.encode(work),
            capture_output=True,
            timeout=WITHIN,
            cwd=ROOT,
            env={**os.environ, "SSL_CERT_FILE": str(sink.ca_file)},  # webpush-rs has no option for it
        )
        if done.returncode != 0:
            raise RuntimeError(f"{self.name} failed: {done.stderr.decode(errors='replace')[-500:]}")
        return msgspec.json.decode(done.stdout, type=Used)


RUST = Program(
    "webpush-rs 0.1.4 (PyPI)",
    (str(ROOT / ".make/contenders/bin/python"), "loadtest/rust_sender.py"),
    ROOT / ".make/contenders/installed",
)
NODE = Program(
    "node web-push 3.6.7", ("node", "loadtest/node/send.js"), ROOT / "loadtest/node/node_modules/.stamp"
)


def _path() -> str:
    return os.environ.get("PATH", os.defpath)
