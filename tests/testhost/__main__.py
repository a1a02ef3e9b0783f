"""Run a command in a test host: `python -m tests.testhost [--] COMMAND...`.

Exits with the command's code (128+n if signal n ended it); 77 where test hosts can't be made here, or 1 where
HOLD_REQUIRE_KERNEL=1 asks for them; 125 where making one failed.
"""

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from controller.kernel.sandbox.host import find_reason_against, run_in_host

EXIT_SKIPPED = 77
EXIT_NOT_FOUND = 127


def _execute(command: Sequence[str]) -> NoReturn:
    """Become the command; exits with 127 where it can't be run."""
    try:
        os.execvpe(command[0], list(command), os.environ | {"HOLD_TEST_HOST": "1"})
    except OSError as exc:
        print(f"test host: {command[0]}: {exc.strerror}", flush=True)
        os._exit(EXIT_NOT_FOUND)


def main(arguments: Sequence[str]) -> int:
    """The command line; returns the exit code."""
    command = arguments[1:] if arguments[:1] == ["--"] else arguments
    if not command or (command is arguments and command[0].startswith("-")):
        print(__doc__, file=sys.stderr)
        return 2
    reason = find_reason_against()
    if reason is not None:
        print(f"test host: {reason}", file=sys.stderr)
        return 1 if os.environ.get("HOLD_REQUIRE_KERNEL") == "1" else EXIT_SKIPPED
    return run_in_host(lambda: _execute(command), hostname="testhost")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
