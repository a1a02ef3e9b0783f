"""`hold COMMAND`: finds the command's module, and imports nothing else.

Each module has, for a command `x`, `add_x(parser)` for its flags and `run_x(client, options)` for its work, which
returns the exit code. The table below is all that is known before a command is chosen.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from controller.cli.client import Client, Failure
from controller.cli.groups import GROUPS, render_group_help, resolve
from controller.cli.parser import DOCKERS_CODE, EXIT_DAEMON, EXIT_USAGE, Parser
from controller.cli.transport import CallFailed, Channel, Unreachable

DEFAULT_HOST = "unix:///run/hold/hold.sock"
EXIT_FAILED = 1
EXIT_INTERRUPTED = 128 + 2
EXIT_PIPE_CLOSED = 128 + 13

COMMANDS: dict[str, tuple[str, str, str]] = {
    "apply": ("declare", "Objects", "Make objects as manifests declare them"),
    "plan": ("declare", "Objects", "Show what apply would do, down to the kernel"),
    "diff": ("diff", "Objects", "Show what differs between manifests and the present state"),
    "delete": ("declare", "Objects", "Delete objects"),
    "get": ("look", "Objects", "Show objects"),
    "describe": ("describe", "Objects", "Show an object with its conditions and events"),
    "explain": ("explain", "Objects", "Show the fields of a kind"),
    "wait": ("wait", "Objects", "Wait until objects are as asked"),
    "edit": ("edit", "Objects", "Edit an object in an editor"),
    "history": ("history", "Objects", "Show the earlier specs of an object"),
    "rollback": ("history", "Objects", "Return to an earlier spec of an object"),
    "label": ("mark", "Objects", "Set or remove labels"),
    "annotate": ("mark", "Objects", "Set or remove annotations"),
    "events": ("events", "Objects", "Show what happened"),
    "run": ("run", "Containers", "Run a new container"),
    "create": ("run", "Containers", "Make a container without starting it"),
    "exec": ("execute", "Containers", "Run a program in a running container"),
    "attach": ("execute", "Containers", "Connect to a running container"),
    "ps": ("ps", "Containers", "List containers"),
    "logs": ("logs", "Containers", "Show what a container wrote"),
    "top": ("top", "Containers", "Show the processes in a container"),
    "stats": ("stats", "Containers", "Show what containers use"),
    "port": ("top", "Containers", "Show where ports of a container are published"),
    "cp": ("copying", "Containers", "Copy files between a container and this machine"),
    "container diff": ("changes", "Containers", "Show what a container changed of its image's files"),
    "export": ("changes", "Containers", "Write the files of a container as a tar archive"),
    "commit": ("commit", "Containers", "Make an image of a container"),
    "start": ("lifecycle", "Containers", "Start stopped containers"),
    "stop": ("lifecycle", "Containers", "Stop running containers"),
    "restart": ("lifecycle", "Containers", "Restart containers"),
    "kill": ("lifecycle", "Containers", "Send a signal to containers"),
    "pause": ("lifecycle", "Containers", "Freeze the processes of containers"),
    "unpause": ("lifecycle", "Containers", "Let frozen containers go on"),
    "rm": ("remove", "Containers", "Remove containers"),
    "rename": ("rename", "Containers", "Give a container another name"),
    "update": ("lifecycle", "Containers", "Change limits and the restart policy of containers"),
    "container prune": ("prune", "Containers", "Remove every container that does not run"),
    "inspect": ("inspect", "Containers", "Show objects as JSON, or by a template"),
    "pull": ("pull", "Images", "Pull an image from a registry"),
    "push": ("push", "Images", "Push an image to a registry"),
    "search": ("search", "Images", "Search a registry, list the tags of a repository"),
    "import": ("image_import", "Images", "Make an image out of a tar archive"),
    "images": ("images", "Images", "List images"),
    "image history": ("image_history", "Images", "Show the steps that an image was built in"),
    "image inspect": ("image_inspect", "Images", "Show images as Docker's API describes them"),
    "load": ("archives", "Images", "Load images from an archive"),
    "save": ("archives", "Images", "Write images to an archive"),
    "tag": ("tagging", "Images", "Make a further name for an image"),
    "rmi": ("images", "Images", "Remove images"),
    "image prune": ("prune", "Images", "Remove images that nobody needs"),
    "login": ("login", "Registries", "Keep the login for a registry"),
    "logout": ("login", "Registries", "Forget the login for a registry"),
    "network": ("networks", "Networks and volumes", "Manage networks"),
    "volume": ("volumes", "Networks and volumes", "Manage volumes"),
    "graph": ("graph", "Networks and volumes", "Show networks, and who is on them, as text or as a picture"),
    "info": ("system", "Daemon", "Show facts about the daemon and its host"),
    "version": ("system", "Daemon", "Show versions of client and daemon"),
    "doctor": ("system", "Daemon", "Check what the host lacks"),
    "system df": ("system_df", "Daemon", "Show how much disk everything takes"),
    "system prune": ("prune", "Daemon", "Remove all that nobody needs"),
    "completion": ("completion", "Daemon", "Print a completion script for a shell"),
    "daemon": ("", "Daemon", "Run the daemon"),
}
"""Name of a command to its module, its group in the help, and what it does."""


_ORDERED = ("run", "create", "exec", "top", "network", "volume")
"""Commands whose options end at the first word, or at a verb; elsewhere options may stand anywhere."""

_SHOWN_LETTERS = 20
"""Of what stands before and after a mistake."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line; returns the exit code, with all output written."""
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        _silence_output()
        return EXIT_PIPE_CLOSED
    return code


def _run(arguments: Sequence[str]) -> int:
    options, rest = _split_global(list(arguments))
    if not rest:
        print(render_help())
        return EXIT_USAGE
    if rest[0] == "help":
        rest = [*rest[1:], "--help"]
    if rest[0] in ("-h", "--help"):
        print(render_help())
        return 0
    if rest[0] == "--version":
        rest = ["version", "--client"]
    if rest[0] == "__complete":
        from controller.cli.completion import print_candidates

        return print_candidates(_connect(options), rest[1:])
    try:
        name, *words = resolve(rest, COMMANDS)
    except LookupError as error:
        print(error.args[0], file=sys.stderr)
        return EXIT_USAGE
    if name in GROUPS:
        print(render_group_help(name, COMMANDS))
        return 0 if rest[1:] else EXIT_USAGE
    parser = make_parser(name)
    parsed = parser.parse_args(words) if name in _ORDERED else parser.parse_intermixed_args(words)
    client = _connect({**options, **vars(parsed)})
    body = getattr(_import(name), f"run_{name.replace(' ', '_')}")
    return _attempt(name, lambda: int(body(client, parsed)))


def _connect(options: Mapping[str, Any]) -> Client:
    """Return the client of the daemon that flags or the environment name; the connection is made at the first call."""
    return Client(Channel(options.get("host") or os.environ.get("HOLD_HOST") or DEFAULT_HOST))


def _import(name: str) -> ModuleType:
    return importlib.import_module(f"controller.cli.{COMMANDS[name][0]}")


def make_parser(name: str) -> Parser:
    """Return the parser of a command."""
    # As with Docker, -h is the host name there.
    takes_hostname = name in ("run", "create")
    parser = Parser(prog=f"hold {name}", description=COMMANDS[name][2] + ".", add_help=not takes_hostname)
    if takes_hostname:
        parser.add_argument("--help", action="help", help="Show this and end.")
    parser.add_argument("--host", default=argparse.SUPPRESS, help="Address of the daemon, unix:///PATH.")
    getattr(_import(name), f"add_{name.replace(' ', '_')}")(parser)
    return parser


def _attempt(name: str, body: Any) -> int:  # noqa: ANN401
    failed = {"run": EXIT_DAEMON, "diff": EXIT_USAGE}.get(name, EXIT_FAILED)
    try:
        return int(body())
    except CallFailed as error:
        from controller.cli.wording import describe_failure

        print(describe_failure(error), file=sys.stderr)
    except (Unreachable, Failure) as error:
        print(f"hold: {error}", file=sys.stderr)
        if isinstance(error, Unreachable) and name in DOCKERS_CODE:
            return EXIT_DAEMON
        return error.code if isinstance(error, Failure) and error.code else failed
    except UnicodeEncodeError as error:
        print(f"hold: {_describe_unsendable(error)}", file=sys.stderr)
        return EXIT_DAEMON if name in DOCKERS_CODE else failed
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return failed


def _describe_unsendable(error: UnicodeEncodeError) -> str:
    """Return which piece of an argument, or of a file that one names, is no text, as the daemon is sent nothing else."""
    piece = os.fsencode(error.object[max(0, error.start - _SHOWN_LETTERS) : error.end + _SHOWN_LETTERS])
    return f"{piece!r} is not UTF-8: write it in UTF-8, the only encoding that the daemon is sent"


def _silence_output() -> None:
    """Whoever read our output has gone; let the interpreter end without complaining."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _split_global(words: list[str]) -> tuple[dict[str, str], list[str]]:
    """Take `--host ADDRESS` and `-H ADDRESS` off the front."""
    options: dict[str, str] = {}
    while words and words[0].startswith("-"):
        flag, equals, value = words[0].partition("=")
        if flag not in ("--host", "-H"):
            break
        words = words[1:]
        if not equals:
            value, words = (words[0] if words else ""), words[1:]
        options["host"] = value
    return options, words


def render_help() -> str:
    """Return the overview of all commands."""
    lines = ["Usage: hold [--host ADDRESS] COMMAND ...", "", "A declarative container engine."]
    group = ""
    for name, (_, its_group, what) in COMMANDS.items():
        if its_group != group:
            group = its_group
            lines += ["", f"{group}:"]
        lines.append(f"  {name:<16} {what}")
    lines += [
        "",
        "`hold container VERB` and `hold image VERB` are the same commands by Docker's longer names.",
    ]
    lines += ["`hold COMMAND --help` tells more. HOLD_HOST names the daemon as --host does."]
    return "\n".join(lines)
