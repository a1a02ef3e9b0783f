"""Flags of `run` and `create` for the log, as Docker has them."""

import argparse

from controller.api.v1 import resource_pb2
from controller.cli.client import Failure
from controller.cli.pairs import read_pairs
from controller.cli.parser import EXIT_DAEMON
from controller.model.log_forms import parse_log_options

_PODMANS_FILE = "k8s-file"
_ATTRIBUTES = {
    "maxSize": "max_size_bytes",
    "maxFiles": "max_files",
    "labelsRegex": "labels_regex",
    "environmentRegex": "environment_regex",
    "maxBufferSize": "max_buffer_bytes",
}
"""The message's names, where they are not the manifest's."""


def add_log_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument(
        "--log-opt",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="Option of the driver: max-size=10m, max-file=3, compress=true, tag, labels, env, mode and more.",
    )
    parser.add_argument(
        "--log-driver",
        default="",
        metavar="DRIVER",
        help="What takes the output in: json-file, local, journald or none.",
    )


def set_logging(spec: resource_pb2.ContainerSpec, options: argparse.Namespace) -> None:
    """Put the flags into a spec; Failure names the flag that is wrong."""
    driver = "json-file" if options.log_driver == _PODMANS_FILE else options.log_driver
    try:
        found = parse_log_options(read_pairs("--log-opt", options.log_opt), driver)
    except ValueError as error:
        flag = "--log-driver: " if str(error).startswith("no log driver") else "--log-opt "
        raise Failure(f"{flag}{error}", code=EXIT_DAEMON) from error
    for name, value in found.items():
        attribute = _ATTRIBUTES.get(name, name)
        if isinstance(value, list):
            getattr(spec.logging, attribute).extend(value)
        else:
            setattr(spec.logging, attribute, value)
