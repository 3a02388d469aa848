"""The wire protocol of web push: RFC 8030, 8188, 8291 and 8292, and what push services make of them.

The way of one push:

    hosts = PushHosts.parse("")                        # the known push services
    endpoint = parse_endpoint(text, hosts)             # when a browser subscribes; later hosts.origin(url)
    p256dh, auth = decode_p256dh(a), decode_auth(b)
    headers = RequestHeaders(clock)                    # one a process
    lines = headers.get(key, contact, endpoint.origin, ttl)    # signs once per key and origin
    body = encrypt(plaintext, p256dh, auth)            # one record of at most 4096 bytes
    request = PushRequest(endpoint.url, endpoint.origin, lines, body, context)
    transport.post(request, on_reply)
    …
    verdict = classify(endpoint.provider, reply, now_at)       # in on_reply: accepted, gone, throttled …

This package imports nothing of ours, and knows no database, message or site.
"""

from gateway.webpush.address import is_public
from gateway.webpush.answer import Answer, Verdict, classify
from gateway.webpush.curl import CurlTransport, TransportLimits
from gateway.webpush.encryption import MAX_PLAINTEXT, check_size, encrypt
from gateway.webpush.endpoint import (
    HTTPS_PORT,
    MAX_ENDPOINT,
    Endpoint,
    Origin,
    Provider,
    PushHosts,
    parse_endpoint,
    split_authority,
    split_port,
)
from gateway.webpush.errors import (
    InvalidContact,
    InvalidEndpoint,
    InvalidKey,
    InvalidPushHost,
    InvalidTopic,
    NoCertificates,
    PayloadTooLarge,
    WebPushError,
)
from gateway.webpush.keys import ApplicationServerKey, decode_auth, decode_p256dh, encode_base64url
from gateway.webpush.proxy import ProxySettings
from gateway.webpush.request import MAX_TOPIC, MAX_TTL, PushRequest, RequestHeaders, Urgency, parse_topic
from gateway.webpush.transport import OnReply, Reply, Transport
from gateway.webpush.vapid import VapidTokens, parse_contact

__all__ = [
    "HTTPS_PORT",
    "MAX_ENDPOINT",
    "MAX_PLAINTEXT",
    "MAX_TOPIC",
    "MAX_TTL",
    "Answer",
    "ApplicationServerKey",
    "CurlTransport",
    "Endpoint",
    "InvalidContact",
    "InvalidEndpoint",
    "InvalidKey",
    "InvalidPushHost",
    "InvalidTopic",
    "NoCertificates",
    "OnReply",
    "Origin",
    "PayloadTooLarge",
    "Provider",
    "ProxySettings",
    "PushHosts",
    "PushRequest",
    "Reply",
    "RequestHeaders",
    "Transport",
    "TransportLimits",
    "Urgency",
    "VapidTokens",
    "Verdict",
    "WebPushError",
    "check_size",
    "classify",
    "decode_auth",
    "decode_p256dh",
    "encode_base64url",
    "encrypt",
    "is_public",
    "parse_contact",
    "parse_endpoint",
    "parse_topic",
    "split_authority",
    "split_port",
]
