"""Sends what stdin says with webpush-rs, in its own virtual environment, and says what it used.

It needs nothing of ours and nothing but the standard library. Input and output: loadtest/outside.py.
"""

import json
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import webpush_rs  # type: ignore[import-not-found, unused-ignore]  # loadtest/contenders.lock

THREADS = 8  # `send_one` blocks; more threads than this made it slower


def main() -> None:
    work: dict[str, Any] = json.load(sys.stdin)
    text = work["text"].encode()

    def send(subscription: list[str]) -> int:
        return int(webpush_rs.send_one(*subscription, work["private_key"], work["contact"], text))

    before, began = resource.getrusage(resource.RUSAGE_SELF), time.time()
    with ThreadPoolExecutor(THREADS) as pool:
        statuses = set(pool.map(send, work["subscriptions"]))
    ended, after = time.time(), resource.getrusage(resource.RUSAGE_SELF)
    if statuses != {201}:
        raise SystemExit(f"the push service answered {statuses}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    memory = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024
    json.dump({"cpu": cpu, "began": began, "ended": ended, "peak_memory": memory}, sys.stdout)


if __name__ == "__main__":
    main()
