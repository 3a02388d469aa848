"""Application server keys opened with the master key, and kept: opening one costs more than a signature."""

from gateway.keys import open_key
from gateway.master_key import MasterKey
from gateway.webpush import ApplicationServerKey
from storage.keys import ApplicationServerKey as StoredKey

MOST = 4_096


class KeyRing:
    def __init__(self, master_key: MasterKey) -> None:
        self._master_key = master_key
        self._open: dict[int, ApplicationServerKey] = {}

    def get(self, stored: StoredKey) -> ApplicationServerKey:
        """The pair to sign with. SealedValueUnreadable when another master key sealed it."""
        pair = self._open.get(stored.id)
        if pair is None:
            pair = open_key(self._master_key, stored)
            while len(self._open) >= MOST:
                del self._open[next(iter(self._open))]
            self._open[stored.id] = pair
        return pair
