"""`make load`: a gateway, a fake push service and Locust's users for a minute; a table, and 0 or 1.

    python -m loadtest.load [--seconds N] [--visitors N] [--subscribers N] [--scenario S] [--senders N]

Scenarios are in loadtest/scenarios.py. Nothing leaves the machine.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from loadtest.fake_push import ADDRESSES, running_push_service
from loadtest.gateway_process import ADMIN_TOKEN, running_gateway
from loadtest.scenarios import parse_scenarios
from loadtest.summary import Summary, faults

LOCUSTFILE = Path(__file__).parent / "locustfile.py"


def run_locust(url: str, folder: Path, options: argparse.Namespace) -> Summary:
    """Headless, to the end. RuntimeError when it did not get to its summary."""
    summary_file = folder / "summary.json"
    environment = {
        **os.environ,
        "LOADTEST_TOKEN": ADMIN_TOKEN,
        "LOADTEST_PUSH": str(folder / "push" / ADDRESSES),
        "LOADTEST_SUBSCRIBERS": str(options.subscribers // options.sites),
        "LOADTEST_SITES": str(options.sites),
        "LOADTEST_SUMMARY": str(summary_file),
        "LOADTEST_TROUBLE": "" if options.scenario == "healthy" else "1",
    }
    users = options.visitors + 6  # and the fixed ones: five back ends, an admin
    arguments = ["-u", str(users), "-r", str(max(20, users // 3)), "-t", f"{options.seconds}s", "--host", url]
    command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--only-summary"]
    with (folder / "locust.log").open("wb") as log:
        subprocess.run([*command, *arguments], env=environment, stdout=log, stderr=log, check=False)
    if not summary_file.exists():
        raise RuntimeError(f"Locust broke off:\n{(folder / 'locust.log').read_text()[-4000:]}")
    return msgspec.json.decode(summary_file.read_bytes(), type=Summary)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument(
        "--visitors", type=int, default=60, help="at a time; each does something every second"
    )
    parser.add_argument("--subscribers", type=int, default=6_000, help="besides them, imported")
    parser.add_argument("--sites", type=int, default=3)
    parser.add_argument("--senders", type=int, default=1)
    parser.add_argument("--scenario", default="healthy", help="how the push services behave")
    options = parser.parse_args()
    try:
        parse_scenarios(options.scenario)
    except ValueError as exc:
        parser.error(str(exc))
    with tempfile.TemporaryDirectory(prefix="gateway-load-") as name:
        folder = Path(name)
        data = folder / "data"
        data.mkdir()
        with running_push_service(folder / "push", options.scenario) as push:
            settings = {**push.gateway_settings, "GATEWAY_SENDERS": str(options.senders)}
            with running_gateway(data, settings) as gateway:
                summary = run_locust(gateway.url, folder, options)
                complaints = gateway.complaints()
    healthy = options.scenario == "healthy"
    problems = summary.problems(healthy=healthy) + faults(complaints, healthy=healthy)
    print(summary.table())
    for event, count in complaints.most_common():
        print(f"the gateway's log: {count} x {event}")
    print("\n".join(["", "FAILED", *problems] if problems else ["", "passed: no errors"]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
