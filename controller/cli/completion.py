"""completion: scripts for shells."""

import argparse

from controller.cli.client import Client
from controller.cli.main import COMMANDS

_SCRIPTS = {
    "bash": "complete -W '{words}' hold",
    "zsh": "#compdef hold\ncompadd {words}",
    "fish": "complete -c hold -n __fish_use_subcommand -f -a '{words}'",
}


def add_completion(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold completion`."""
    parser.add_argument("shell", choices=sorted(_SCRIPTS), help="The shell.")


def run_completion(_: Client, options: argparse.Namespace) -> int:
    """Print the script."""
    print(_SCRIPTS[options.shell].format(words=" ".join(COMMANDS)))
    return 0
