"""The command `wecom-auth`; each of its commands imports what it needs when it is called."""

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

from .console import say
from .exits import BROKEN_PIPE, INTERRUPTED

_RUN_USAGE = "%(prog)s [--store URL] [--sole-app] [--stats]\n       (script.py | -m module) ..."
_ENVIRONMENT = """\
environment:
  WECOM_CORPID, WECOM_CORPSECRET   the app (or WECOM_CORPSECRET_FILE, ...)
  WECOM_BASE_URL                   a reverse proxy or a private deployment
  WECOM_ALLOW_HTTP=1               permits plain http in WECOM_BASE_URL
  WECOM_STORE                      what --store names, where that is not given
  WECOM_LANG                       zh or en: the language of `check`
  HTTPS_PROXY, REQUESTS_CA_BUNDLE  a proxy, a company's own certificates
"""
_EXITS = """\
exit codes:
  0  the platform said yes to every step asked
  1  the platform said no: change a setting, or something in the admin console
  2  nothing was asked: usage, or a setting that is missing or unreadable
  3  no answer, or "later": network, TLS, proxy, rate limit; try again
"""


def main(argv: Sequence[str] | None = None) -> int:
    """The command line.

    Args:
        argv: the arguments; those of the process if none are given.

    Returns:
        The exit code: 0, 1 where something failed or the platform refuses, 2 for wrong usage or
        configuration; of `check`, 3 where no answer came. `run` gives the script's own.

    Raises:
        SystemExit: by argparse, for `--help`, `--version` and wrong usage.

    Example:
        >>> main(["demo"])  # doctest: +SKIP
        0
    """
    ours, theirs = _split(sys.argv[1:] if argv is None else list(argv))
    options = _parser().parse_args(ours)
    options.theirs = theirs
    return int(options.command(options))


def _split(argv: list[str]) -> tuple[list[str], list[str]]:
    """Our arguments, and for `run` from the script's name or `-m` on those that are not ours.

    argparse's own REMAINDER treats `-m` and `--` differently from one Python to the next.
    """
    if argv[:1] != ["run"]:
        return argv, []
    end = 1
    while end < len(argv) and re.match("-h|--.", argv[end]):
        end += 2 if argv[end] == "--store" else 1
    start = end + 1 if argv[end : end + 1] == ["--"] else end
    return argv[:end], argv[start:]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wecom-auth",
        description="Keeps every WeCom server API call authorised.",
        epilog=f"{_ENVIRONMENT}\nMore about one of them: wecom-auth COMMAND --help",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in (_add_demo, _add_check, _add_token, _add_run, _add_fake):
        add(commands)
    return parser


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *args: Any) -> None:
        from .. import __version__

        say(f"wecom-auth {__version__}")
        parser.exit()


def _add(commands: Any, command: Callable[[Any], int], text: str, **more: Any) -> Any:
    parser = commands.add_parser(
        command.__name__.lstrip("_"),
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        **more,
    )
    parser.set_defaults(command=command, parser=parser)
    return parser


def _add_demo(commands: Any) -> None:
    parser = _add(commands, _demo, "see it work over real HTTP; no WeCom account is needed")
    parser.add_argument("--json", action="store_true", help="one JSON document, for machines")


def _demo(options: argparse.Namespace) -> int:
    from .demo import demo_command

    return _tidily(lambda: demo_command(options.json))


def _add_check(commands: Any) -> None:
    text = "find the one thing to change where the platform refuses, or is not reached"
    parser = _add(commands, _check, text, epilog=f"{_ENVIRONMENT}\n{_EXITS}")
    parser.add_argument("--agent", metavar="ID", help="check this app's AgentId, too")
    parser.add_argument("--lang", choices=("zh", "en"), help="default: that of the locale")
    parser.add_argument("--json", action="store_true", help="one JSON object, for machines")


def _check(options: argparse.Namespace) -> int:
    from .check import check_command

    return _tidily(lambda: check_command(options.agent, options.lang, options.json))


def _add_token(commands: Any) -> None:
    text = "get a token with the credential in the environment"
    parser = _add(commands, _token, text, epilog=_ENVIRONMENT)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--show", action="store_true", help="print the token whole, and only it")
    text = 'print {"access_token", "expires_at"}, for other programs'
    form.add_argument("--json", action="store_true", help=text)
    text = "drop this token, which the platform rejected, and get another; -: from stdin"
    parser.add_argument("--rejected", metavar="TOKEN", help=text)
    _add_store(parser)


def _token(options: argparse.Namespace) -> int:
    from .token import token_command

    form = "json" if options.json else "show" if options.show else "masked"
    return _tidily(lambda: token_command(options.store, form=form, rejected=options.rejected))


def _add_run(commands: Any) -> None:
    text = "run a script, unchanged, that fetches its own token; it is cached and healed"
    python = f"{_ENVIRONMENT}\nThe script is run by this Python: {sys.executable}\n"
    parser = _add(commands, _run, text, usage=_RUN_USAGE, epilog=python.replace("%", "%%"))
    _add_store(parser)
    sole = "every token of the script is this app's: for a token from a file or a database"
    parser.add_argument("--sole-app", action="store_true", help=sole)
    parser.add_argument("--stats", action="store_true", help="say at the end what was done")


def _run(options: argparse.Namespace) -> int:
    first = options.theirs[0] if options.theirs else "-"
    if first.startswith("-") and not first.startswith("-m"):
        options.parser.error("name a script to run, or -m and a module")
    from .run import run_command

    return run_command(
        options.theirs, store=options.store, stats=options.stats, sole_app=options.sole_app
    )


def _add_fake(commands: Any) -> None:
    parser = _add(commands, _fake, "serve a fake WeCom platform, for tests in any language")
    parser.add_argument("--port", type=_port, default=0, help="default: any free one")
    parser.add_argument("--host", default="127.0.0.1", help="default: 127.0.0.1")


def _fake(options: argparse.Namespace) -> int:
    from .fake import fake_command

    return fake_command(options.port, options.host)


def _add_store(parser: argparse.ArgumentParser) -> None:
    text = "share the token: file: (the user's cache), file:///directory, redis://host/0"
    parser.add_argument("--store", metavar="URL", help=text)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to 65535")
    return int(text)


def _tidily(command: Callable[[], int]) -> int:
    """Ctrl+C, and a reader that has seen enough (`wecom-auth demo | head`), without a traceback.

    Not for `run`: there they are the script's.
    """
    try:
        return command()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the interpreter flushes once more
        return BROKEN_PIPE
