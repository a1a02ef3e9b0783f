"""The `hold` command: the daemon, or a client of it."""

import gc
import os
import sys


def main() -> None:
    """Run one command line and exit with its code."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["daemon"]:
        from controller.daemon import run_daemon

        sys.exit(run_daemon(arguments[1:]))
    gc.disable()  # a client is done before garbage matters; collecting while importing costs milliseconds
    from controller.cli.main import run

    code = run(arguments)
    sys.stderr.flush()
    os._exit(code)  # nothing is left to be done, and taking the interpreter down costs milliseconds


if __name__ == "__main__":
    main()
