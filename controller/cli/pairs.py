"""NAME=VALUE words of flags such as `--env` and `--label`, and files of them."""

import argparse
import os
from collections.abc import Iterable
from pathlib import Path

from controller.cli.client import Failure
from controller.cli.parser import EXIT_DAEMON


def add_pairs_flag(parser: argparse.ArgumentParser, *flags: str, text: str) -> None:
    """Add a flag that may be repeated, each time with NAME=VALUE."""
    parser.add_argument(*flags, action="append", default=[], metavar="NAME=VALUE", help=text)


def add_driver_flags(parser: argparse.ArgumentParser, *, default: str, drivers: str, told: str) -> None:
    """Add the flags that name the driver of a new object, and what that is told."""
    parser.add_argument("-d", "--driver", default=default, metavar="NAME", help=drivers)
    add_pairs_flag(parser, "-o", "--opt", text=told)


def read_pairs(flag: str, texts: Iterable[str], *, inherit: bool = False) -> dict[str, str]:
    """Return the pairs of NAME=VALUE texts; with `inherit`, NAME alone passes on the client's own variable."""
    pairs: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name:
            raise Failure(f"{flag}: {text!r} is not NAME=VALUE", code=EXIT_DAEMON)
        if inherit and any(map(str.isspace, name)):
            raise Failure(
                f"{flag}: {name!r} is no name of a variable: leave out the spaces", code=EXIT_DAEMON
            )
        if equals:
            pairs[name] = value
        elif not inherit:
            pairs[name] = ""
        elif name in os.environ:
            pairs[name] = os.environ[name]
    return pairs


def read_pair_files(flag: str, paths: Iterable[str], *, inherit: bool = False) -> dict[str, str]:
    """Return the pairs of files that have one a line; empty lines and those that begin with # are left out."""
    pairs: dict[str, str] = {}
    for path in paths:
        try:
            lines = Path(path).read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = (error.strerror or "").lower() if isinstance(error, OSError) else "it is not UTF-8 text"
            raise Failure(f"{flag}: {path} can't be read: {reason}", code=EXIT_DAEMON) from error
        kept = (line for line in map(str.lstrip, lines) if line.strip() and not line.startswith("#"))
        pairs |= read_pairs(f"{flag} {path}", kept, inherit=inherit)
    return pairs
