"""Flags for limits and the restart policy, which `run` and `update` have in common."""

import argparse

from controller.api.v1 import resource_pb2
from controller.cli.client import Failure
from controller.model.quantities import parse_size_bytes
from controller.model.short_forms import parse_restart


def add_limit_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags for limits, which `run` has too."""
    parser.add_argument("-m", "--memory", default="", help="Most memory, such as 64m.")
    parser.add_argument("--cpus", type=float, default=0.0, help="Most processors' worth of time.")
    parser.add_argument("--pids-limit", type=int, default=0, help="Most processes; -1 is without a limit.")


def set_limits(spec: resource_pb2.ContainerSpec, options: argparse.Namespace) -> None:
    """Put the flags for limits into a spec."""
    try:
        if options.memory:
            spec.resources.memory_bytes = int(str(parse_size_bytes(options.memory)))
    except ValueError as error:
        raise Failure(f"--memory: {error}", code=125) from error
    if options.cpus:
        spec.resources.cpus = options.cpus
    if options.pids_limit > 0:
        spec.resources.pids = options.pids_limit
    elif options.pids_limit < 0:
        spec.resources.ClearField("pids")


def set_restart(spec: resource_pb2.ContainerSpec, text: str) -> None:
    """Put a restart policy into a spec."""
    try:
        policy = parse_restart(text)
    except ValueError as error:
        raise Failure(f"--restart: {error}", code=125) from error
    fields = policy if isinstance(policy, dict) else {"name": text}
    spec.restart.name = str(fields["name"])
    spec.restart.max_retries = int(str(fields.get("max_retries", 0)))
