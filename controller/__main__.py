"""The `hold` command."""

import sys


def main() -> None:
    """Run one command line and exit with its code."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["daemon"]:
        from controller.daemon import run_daemon

        sys.exit(run_daemon(arguments[1:]))
    from controller.cli.main import run

    sys.exit(run(arguments))


if __name__ == "__main__":
    main()
