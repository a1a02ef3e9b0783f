"""Flags of `run` and `create` for the log, as Docker has them."""

import argparse

from controller.api.v1 import resource_pb2
from controller.cli.client import Failure
from controller.cli.pairs import read_pairs
from controller.cli.parser import EXIT_DAEMON
from controller.model.quantities import parse_size_bytes

_DRIVERS = ("", "json-file", "local", "k8s-file")
"""All of them are files that are kept for `hold logs`, which is what there is."""


def add_log_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument(
        "--log-opt",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="max-size=10m: when the log goes on in a new file; max-file=3: how many are kept.",
    )
    parser.add_argument(
        "--log-driver", default="", metavar="DRIVER", help="json-file or local: a file that hold logs reads."
    )


def set_logging(spec: resource_pb2.ContainerSpec, options: argparse.Namespace) -> None:
    """Put the flags into a spec; Failure names the flag that is wrong."""
    if options.log_driver not in _DRIVERS:
        raise Failure(
            f"--log-driver {options.log_driver!r} is not there: use json-file, or local", code=EXIT_DAEMON
        )
    for name, text in read_pairs("--log-opt", options.log_opt).items():
        match name:
            case "max-size":
                spec.logging.max_size_bytes = _parse_size(text)
            case "max-file" if text.isdecimal():
                spec.logging.max_files = int(text)
            case "max-file":
                raise Failure(f"--log-opt max-file={text}: is not a number", code=EXIT_DAEMON)
            case _:
                raise Failure(f"--log-opt {name}: known are max-size, max-file", code=EXIT_DAEMON)


def _parse_size(text: str) -> int:
    try:
        return int(str(parse_size_bytes(text)))
    except ValueError as error:
        raise Failure(f"--log-opt max-size={text}: {error}", code=EXIT_DAEMON) from error
