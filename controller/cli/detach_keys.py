"""Docker's grammar for the keys that leave a container: `ctrl-p,ctrl-q`, `a,b`, `ctrl-@`."""

import argparse

from controller.cli.client import Failure

DEFAULT = "ctrl-p,ctrl-q"
_CONTROL = "@abcdefghijklmnopqrstuvwxyz[\\]^_"


def add_detach_keys_flag(parser: argparse.ArgumentParser) -> None:
    """Add `--detach-keys`."""
    parser.add_argument(
        "--detach-keys", default=DEFAULT, metavar="KEYS", help=f"Keys that leave the container; {DEFAULT}."
    )


def parse_detach_keys(text: str, *, code: int = 0) -> bytes:
    """Return what a terminal sends for the keys; no text is the default. `code` is the exit code of the Failure."""
    return bytes(_parse_key(key, text, code) for key in (text or DEFAULT).split(","))


def _parse_key(key: str, text: str, code: int) -> int:
    if len(key) == 1 and key.isascii():
        return ord(key)
    control = key.lower().removeprefix("ctrl-")
    if key.lower().startswith("ctrl-") and len(control) == 1 and control in _CONTROL:
        return _CONTROL.index(control)
    raise Failure(
        f"--detach-keys {text!r}: {key!r} is not a key: write one character, or ctrl- and a letter or one of @[\\]^_",
        code=code,
    )
