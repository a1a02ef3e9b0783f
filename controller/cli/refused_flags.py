"""Flags of Docker's that hold doesn't have, each refused with the reason and what to use instead."""

import argparse
from collections.abc import Mapping
from typing import NoReturn

from controller.cli.parser import DOCKERS_CODE, EXIT_DAEMON

EXIT_FAILED = 1

_REAL_TIME = "few kernels divide real-time among cgroups, and cgroup v2 can't: use --cap-add SYS_NICE, --ulimit rtprio=N"
_WINDOWS = "is for Windows containers: use --cpus, or --device-read-bps with its like"
_CHECKPOINTS = "hold has no checkpoints: start it without, or run `hold commit` for its files"

OF_LIMITS = {"--cpu-rt-period": _REAL_TIME, "--cpu-rt-runtime": _REAL_TIME}
OF_RUN = {
    **OF_LIMITS,
    "--cgroup-parent": "hold keeps each container's cgroup below its own, so that any daemon finds it again: "
    "leave the flag out; limits are set per container",
    "--cpu-count": _WINDOWS,
    "--cpu-percent": _WINDOWS,
    "--io-maxbandwidth": _WINDOWS,
    "--io-maxiops": _WINDOWS,
    "--gpus": "hold has no drivers of GPUs: use --device for the device files, -v for the libraries",
    "--kernel-memory": "the kernel counts its own memory along with the container's: use --memory",
    "--storage-opt": "containers share the file system of the data root: give a --tmpfs or a volume of a limited size",
}
OF_RUN_SWITCHES = {
    "--use-api-socket": "whoever has the socket has the host: give it by -v /run/hold:/run/hold, if that is meant",
}
OF_START = {"--checkpoint": _CHECKPOINTS, "--checkpoint-dir": _CHECKPOINTS}
OF_REMOVE = {
    "--link": "links are part of who has them: take them out of its spec, by `hold edit container NAME`"
}

OF_NETWORKS = {
    "--ipam-opt": "hold chooses addresses itself: use --subnet, --ip-range and --aux-address",
    "--config-from": "networks have no templates: give the flags, or apply a manifest",
}
OF_NETWORKS_SWITCHES = {
    "--config-only": OF_NETWORKS["--config-from"],
    "--ingress": "hold has no swarm: publish ports of containers",
}


class _Refusal(argparse.Action):
    """Ends the reading of the line when the flag is met."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        code = EXIT_DAEMON if parser.prog.removeprefix("hold ") in DOCKERS_CODE else EXIT_FAILED
        parser.exit(code, f"hold: {self.option_strings[0]}: {self.const}\n")


def add_refused_flags(
    parser: argparse.ArgumentParser, reasons: Mapping[str, str], *, switches: bool = False
) -> None:
    """Let flags be refused by name; with `switches` they take no value. They are not in the help."""
    nargs = 0 if switches else 1
    for flag, reason in reasons.items():
        parser.add_argument(flag, action=_Refusal, nargs=nargs, const=reason, help=argparse.SUPPRESS)
