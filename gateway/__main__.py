"""`python -m gateway …`, also installed as `webpush-gateway`."""

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import uvloop

from gateway.commands import check, roles, send_test, sites, tokens
from gateway.commands.beside import answer_beside
from gateway.errors import CannotStart, GatewayError
from gateway.logs import configure_logging
from gateway.settings import Settings, load_settings
from storage.errors import StorageError
from storage.tokens import Scope

Command = Callable[[Settings, argparse.Namespace], Awaitable[int | None]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code. What an operator can fix is said in sentences, never as a traceback."""
    args = _parser().parse_args(arguments)
    try:
        settings = load_settings(os.environ, args.config)
        configure_logging(settings.log_format)
        command: Command = args.command
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_run(command, settings, args)) or 0
    except CannotStart as exc:
        for problem in exc.problems:
            print(f"webpush-gateway: {problem}", file=sys.stderr)
    except GatewayError as exc:
        print(f"webpush-gateway: {exc.sentence}", file=sys.stderr)
        for error in getattr(exc, "errors", ()):
            print(f"  {error.path}: {error.message}", file=sys.stderr)
    except StorageError as exc:
        print(f"webpush-gateway: {exc}", file=sys.stderr)
    except KeyboardInterrupt:
        return 130
    return 1


async def _run(command: Command, settings: Settings, args: argparse.Namespace) -> int | None:
    return await command(settings, args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="webpush-gateway", description="A self-hosted web-push gateway.")
    parser.add_argument("--config", type=Path, help="a TOML file with settings; the environment wins over it")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Command, text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.set_defaults(command=command)
        return made

    add("serve", roles.serve, "API, scheduler and senders in one")
    add("api", roles.api, "the HTTP API and the scheduler, no senders")
    send = add("send", roles.send, "one sender alone")
    send.add_argument("--parent-pipe", type=int, help=argparse.SUPPRESS)
    send.add_argument("--owner", help=argparse.SUPPRESS)
    beside = commands.add_parser("answer-beside")  # for `serve` and `api` alone: no help, it is not listed
    beside.set_defaults(command=answer_beside)
    beside.add_argument("--parent-pipe", type=int, required=True)
    beside.add_argument("--owner", required=True)
    add("migrate", roles.migrate, "bring the database's schema up to date")
    add("check", check.check, "verify settings, limits, database and clock, and say what to fix")
    add("demo", sites.demo, "make the demo site, once")

    test = add("send-test", send_test.send_test, "send one message and show the push service's answer")
    test.add_argument("--site", required=True)
    test.add_argument("--subscription", required=True)
    test.add_argument(
        "--with", dest="through", choices=["pywebpush"], help="send it again through this library"
    )

    _add_token_commands(commands)
    _add_site_commands(commands)
    return parser


def _add_token_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    group = commands.add_parser("token", help="API tokens").add_subparsers(required=True, metavar="ACTION")
    new = group.add_parser("new", help="make a token and show it once")
    new.add_argument("--site", help="only for this site; otherwise for all")
    new.add_argument(
        "--scope", action="append", choices=[each.value for each in Scope], help="all when not given"
    )
    new.add_argument("--name", default="made on the command line")
    new.set_defaults(command=tokens.new)
    show = group.add_parser("list", help="tokens for all sites, or those of one")
    show.add_argument("--site")
    show.set_defaults(command=tokens.show)
    revoke = group.add_parser("revoke", help="a token ends at once")
    revoke.add_argument("token", help="its id, tok_…")
    revoke.set_defaults(command=tokens.revoke)


def _add_site_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    group = commands.add_parser("site", help="sites").add_subparsers(required=True, metavar="ACTION")
    new = group.add_parser("new", help="make a site with its first application server key")
    new.add_argument("--name", required=True)
    new.add_argument(
        "--origin", required=True, action="append", help="https://example.com; may be given again"
    )
    new.add_argument(
        "--contact", help="mailto:… or https://…, for push services; else the first https origin"
    )
    new.set_defaults(command=sites.new)
    group.add_parser("list", help="all sites").set_defaults(command=sites.show)


if __name__ == "__main__":
    sys.exit(main())
