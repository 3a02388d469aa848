"""A push service that takes everything: nginx with HTTP/2 on a loopback port, under a certificate made for
it.
"""

import datetime
import ipaddress
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files of a self-signed certificate for localhost, `*.push.test` and 127.0.0.1; `chain` is also its CA
    file.
    """

    chain: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain, self.key)
        return context


@dataclass(frozen=True, slots=True)
class Sink:
    """A running nginx."""

    port: int
    ca_file: Path
    folder: Path

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"


def find_nginx() -> str | None:
    """Path of nginx, which Debian keeps outside of a user's PATH; None when it is not installed."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


def make_certificate(folder: Path, names: Sequence[str] = ()) -> Certificate:
    """Write a new certificate and its key into `folder`; `names` are further hosts that it is good for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    hosts = [x509.DNSName(each) for each in ("localhost", "*.push.test", *names)]
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=7))
        .add_extension(
            x509.SubjectAlternativeName([*hosts, x509.IPAddress(ipaddress.ip_address(LOOPBACK))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    made = Certificate(folder / "certificate.pem", folder / "key.pem")
    made.chain.write_bytes(certificate.public_bytes(Encoding.PEM))
    made.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return made


@contextmanager
def running_nginx(
    folder: Path,
    *,
    root: str = "location / { return 201; }",
    http: str = "",
    names: Sequence[str] = (),
    requests_per_connection: int = 1000,
) -> Iterator[Sink]:
    """nginx in `folder`, stopped at the end; `root` is, in its own syntax, how it answers.

    `http` is what else it must know (log formats, upstreams), `names` are further hosts of its certificate.
    RuntimeError when nginx is not installed or does not start; its own error log is in the text.
    """
    nginx = find_nginx()
    if nginx is None:
        raise RuntimeError("nginx is not installed: apt-get install nginx-light")
    certificate = make_certificate(folder, names)
    port = _free_port()
    config = folder / "nginx.conf"
    config.write_text(_config(folder, certificate, port, root, http, requests_per_connection))
    process = subprocess.Popen(
        [nginx, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(config)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until_open(port, process, folder / "error.log")
        yield Sink(port, certificate.chain, folder)
    finally:
        process.terminate()
        process.wait(timeout=10)


def _config(folder: Path, certificate: Certificate, port: int, root: str, http: str, requests: int) -> str:
    temporary = "\n".join(
        f"  {kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
{temporary}
  access_log off;
  keepalive_requests {requests};
  client_body_buffer_size 16k;
  {http}
  server {{
    listen {LOOPBACK}:{port} ssl http2 backlog=4096;
    ssl_certificate {certificate.chain};
    ssl_certificate_key {certificate.key};
    {root}
  }}
}}
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_open(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 10
    while True:
        with socket.socket() as probe:
            if probe.connect_ex((LOOPBACK, port)) == 0:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"nginx did not start: {log.read_text() if log.exists() else 'no log'}")
        time.sleep(0.02)
