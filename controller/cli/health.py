"""Docker's flags for health checks."""

import argparse

from controller.api.v1 import resource_pb2
from controller.cli.client import Failure
from controller.model.quantities import parse_duration_s

_EXIT_DAEMON = 125
_TIMINGS = {
    "health_interval": ("interval_s", "Time between two checks, such as 30s."),
    "health_timeout": ("timeout_s", "Most time for one check."),
    "health_start_period": ("start_period_s", "Time after the start in which failures do not count."),
    "health_start_interval": ("start_interval_s", "Time between two checks in the start period."),
}


def add_health_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `run` and `create`."""
    parser.add_argument(
        "--health-cmd", default="", metavar="COMMAND", help="Shell command that tells health."
    )
    for name, (_, text) in _TIMINGS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", default="", metavar="DURATION", help=text)
    parser.add_argument(
        "--health-retries", type=int, default=0, help="Failures in a row that make it unhealthy."
    )
    parser.add_argument(
        "--health-restart", action="store_true", help="Restart it when it is unhealthy, whatever its policy."
    )
    parser.add_argument("--no-healthcheck", action="store_true", help="Switch the image's health check off.")


def set_health(spec: resource_pb2.ContainerSpec, options: argparse.Namespace) -> None:
    """Put the flags for health checks into a spec."""
    timings = {name: getattr(options, name) for name in _TIMINGS if getattr(options, name)}
    given = bool(timings or options.health_cmd or options.health_retries or options.health_restart)
    if options.no_healthcheck:
        if given:
            raise Failure("--no-healthcheck conflicts with the --health-* flags", code=_EXIT_DAEMON)
        spec.healthcheck.test.append("NONE")
        return
    if not given:
        return
    check = spec.healthcheck
    if options.health_cmd:
        check.test.extend(("CMD-SHELL", options.health_cmd))
    for name, text in timings.items():
        flag = f"--{name.replace('_', '-')}"
        try:
            setattr(check, _TIMINGS[name][0], float(str(parse_duration_s(text))))
        except ValueError as error:
            raise Failure(f"{flag}: {error}", code=_EXIT_DAEMON) from error
    if options.health_retries < 0:
        raise Failure("--health-retries: is less than 0", code=_EXIT_DAEMON)
    check.retries = options.health_retries
    check.restart = options.health_restart
