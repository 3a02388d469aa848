"""P-256 key agreement in the libcrypto that Python's own hashlib and ssl use, without an object for each key.

With the three key objects that `cryptography` makes a message it takes 58 µs of CPU, here 44 (medians of 30
rounds taken in turns; OpenSSL 3.0.19 and 3.6.5, cryptography 50.0.2), of which the two multiplications and
inversions are 41. That is a tenth of a whole push, and the reason for calls into C.

What keeps it safe: few functions, none of them deprecated, all as they have been since OpenSSL 1.1; every
buffer that C reads or writes has one size, checked here; OpenSSL checks that the point is on the curve and
multiplies in constant time; all memory is allocated in the constructor. gateway.webpush.agreement uses this
only after comparing it with `cryptography`.
"""

import _hashlib
import ctypes
from collections.abc import Callable
from ctypes import c_char_p, c_int, c_size_t, c_ulong, c_void_p
from os import urandom
from threading import Lock
from typing import Any

from gateway.webpush.keys import POINT_SIZE, SCALAR_SIZE

_TESTED_MAJOR = 3
_NID_P256 = 415  # NID_X9_62_prime256v1
_UNCOMPRESSED = 4  # POINT_CONVERSION_UNCOMPRESSED, and the first byte of such a point
_ZERO = bytes(SCALAR_SIZE)
_ORDER = bytes.fromhex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551")  # SEC 2, 2.4.2


class P256:
    """Key agreement on scratch memory that lives as long as the process. Threads take turns."""

    def __init__(self, library: ctypes.CDLL) -> None:
        """AttributeError when `library` lacks a function, OSError when it is no OpenSSL that was tested."""
        major = _function(library, "OpenSSL_version_num", c_ulong)() >> 28
        if major != _TESTED_MAJOR:
            raise OSError(f"OpenSSL {major} was not tested")
        # Group, point, bytes, their number, context; the other way round with the form after the point.
        self._read_point = _function(
            library, "EC_POINT_oct2point", c_int, c_void_p, c_void_p, c_char_p, c_size_t, c_void_p
        )
        self._write_point = _function(
            library, "EC_POINT_point2oct", c_size_t, c_void_p, c_void_p, c_int, c_void_p, c_size_t, c_void_p
        )
        self._read_number = _function(library, "BN_bin2bn", c_void_p, c_char_p, c_int, c_void_p)
        # Group, result, factor of the generator, a point, its factor, context.
        self._multiply = _function(library, "EC_POINT_mul", c_int, *[c_void_p] * 6)
        self._forget_errors = _function(library, "ERR_clear_error", None)
        self._group = _function(library, "EC_GROUP_new_by_curve_name", c_void_p, c_int)(_NID_P256)
        if self._group is None:
            raise OSError("this OpenSSL has no P-256")
        new_point = _function(library, "EC_POINT_new", c_void_p, c_void_p)
        self._theirs, self._product = new_point(self._group), new_point(self._group)
        self._scalar = _function(library, "BN_new", c_void_p)()
        self._context = _function(library, "BN_CTX_new", c_void_p)()
        if None in (self._theirs, self._product, self._scalar, self._context):
            raise OSError("OpenSSL has no memory")
        self._public = ctypes.create_string_buffer(POINT_SIZE)
        self._shared = ctypes.create_string_buffer(POINT_SIZE)
        self._lock = Lock()

    def agree(self, p256dh: bytes, scalar: bytes | None = None) -> tuple[bytes, bytes]:
        """As gateway.webpush.agreement.agree."""
        if len(p256dh) != POINT_SIZE or p256dh[0] != _UNCOMPRESSED:
            raise ValueError("p256dh is not an uncompressed point of P-256")
        if scalar is None:
            scalar = urandom(SCALAR_SIZE)
            while not _ZERO < scalar < _ORDER:  # one in 2^32
                scalar = urandom(SCALAR_SIZE)
        elif len(scalar) != SCALAR_SIZE or not _ZERO < scalar < _ORDER:
            raise ValueError("the private key is not a number between 1 and the order of P-256")
        group, product, number, context = self._group, self._product, self._scalar, self._context
        with self._lock:
            agreed = (
                self._read_point(group, self._theirs, p256dh, POINT_SIZE, context)
                and self._read_number(scalar, SCALAR_SIZE, number)
                and self._multiply(group, product, number, None, None, context)
                and self._write_point(group, product, _UNCOMPRESSED, self._public, POINT_SIZE, context)
                and self._multiply(group, product, None, self._theirs, number, context)
                and self._write_point(group, product, _UNCOMPRESSED, self._shared, POINT_SIZE, context)
            )
            if agreed == POINT_SIZE:  # what the last call wrote
                return self._public.raw, self._shared.raw[1 : 1 + SCALAR_SIZE]
            self._forget_errors()  # Python's ssl would take them for its own
        raise ValueError("p256dh is not a point of P-256")


def open_p256() -> P256 | None:
    """None where Python is not linked to an OpenSSL 3: it is built in, is another library or another version.

    It is the library that _hashlib is linked to, which is in the process anyway and which the operating
    system keeps up to date.
    """
    try:
        # PyDLL keeps the GIL, as cryptography does: calls this short gain nothing from giving it up.
        return P256(ctypes.PyDLL(_hashlib.__file__))
    except (AttributeError, OSError):
        return None


def _function(library: ctypes.CDLL, name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    found = library[name]  # by subscript: a function object of our own, so that nobody else sees these types
    found.restype, found.argtypes = result, arguments
    return found
