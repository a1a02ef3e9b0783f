"""info, version, doctor."""

import argparse
import importlib.metadata
import json
import os
from typing import Any

from controller.api.v1 import system_pb2
from controller.cli.client import Client, Failure
from controller.cli.fields import to_public
from controller.cli.formats import Format
from controller.cli.tables import render_size, render_table
from controller.cli.transport import Unreachable
from controller.model.platforms import make_platform

_FORMS = ("text", "json")


def _add_form_flags(parser: argparse.ArgumentParser, example: str) -> None:
    parser.add_argument("-o", "--output", choices=_FORMS, default="text", help="How to print it.")
    parser.add_argument(
        "-f", "--format", default="", metavar="TEMPLATE", help=f"json, or a template such as '{example}'."
    )


def add_version(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold version`."""
    _add_form_flags(parser, "{{.Server.Version}}")
    parser.add_argument("--client", action="store_true", help="Do not ask the daemon.")


def run_version(client: Client, options: argparse.Namespace) -> int:
    """Print the versions; exit code 1 when the daemon can't be asked."""
    own = importlib.metadata.version("hold")
    fields: dict[str, dict[str, Any]] = {"client": {"version": own}}
    failure: Unreachable | None = None
    if not options.client:
        try:
            answer = client.channel.unary(
                "SystemService/GetVersion", system_pb2.GetVersionRequest(), system_pb2.GetVersionResponse
            )
            fields["daemon"] = to_public(answer)
        except Unreachable as error:
            failure = error
    if options.format not in ("", "json"):
        print(Format(options.format).fill(view_version(fields)))
    elif "json" in (options.format, options.output):
        print(json.dumps(fields, indent=2))
    else:
        print(f"Client: {own}")
        for name, value in fields.get("daemon", {}).items():
            print(f"Daemon {name}: {value}" if name != "version" else f"Daemon: {value}")
    if failure is not None:
        raise failure
    return 0


def view_version(fields: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the versions, and beside them Docker's names for them."""
    daemon = fields.get("daemon", {})
    server = {
        "Version": daemon.get("version", ""),
        "KernelVersion": daemon.get("kernelRelease", ""),
        "Os": "linux",
        "Arch": _name_architecture(daemon.get("architecture", "")),
    }
    client = {
        "Version": fields["client"]["version"],
        "Os": "linux",
        "Arch": _name_architecture(os.uname().machine),
    }
    return {"Client": client, "Server": server, **fields}


def _name_architecture(machine: str) -> str:
    """Return the name that images have for what the kernel calls, say, x86_64."""
    return make_platform("linux", machine).architecture


def add_info(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold info`."""
    _add_form_flags(parser, "{{.ContainersRunning}}")


def run_info(client: Client, options: argparse.Namespace) -> int:
    """Print facts about the daemon and its host."""
    answer = client.channel.unary(
        "SystemService/GetInfo", system_pb2.GetInfoRequest(), system_pb2.GetInfoResponse
    )
    if options.format not in ("", "json"):
        print(Format(options.format).fill(view_info(answer)))
        return 0
    if "json" in (options.format, options.output):
        print(json.dumps(to_public(answer), indent=2))
        return 0
    running, paused, stopped = answer.containers_running, answer.containers_paused, answer.containers_stopped
    facts = [
        ("Version", answer.version),
        ("Instance", answer.instance),
        (
            "Containers",
            f"{running + paused + stopped} ({running} running, {paused} paused, {stopped} stopped)",
        ),
        ("Objects", ", ".join(f"{count} {kind}" for kind, count in sorted(answer.objects.items()))),
        ("Revision", str(answer.revision)),
        ("Data directory", answer.root_path),
        ("Run directory", answer.run_path),
        ("Runtime", answer.default_runtime or "chosen by the host's cgroups"),
        ("Cgroups", answer.cgroup_layout),
        ("Firewall", answer.firewall_backend),
        ("Kernel", answer.kernel_release),
        ("System", answer.operating_system),
        ("Processors", str(answer.processors)),
        ("Memory", render_size(answer.memory_bytes)),
        ("Daemon", f"pid {answer.pid}, since {answer.started_at.ToJsonString()}"),
    ]
    for name, value in facts:
        print(f"{name + ':':<16} {value}")
    return 0


def view_info(answer: system_pb2.GetInfoResponse) -> dict[str, Any]:
    """Return the facts, and beside them Docker's names for them."""
    running, paused, stopped = answer.containers_running, answer.containers_paused, answer.containers_stopped
    docker = {
        "ServerVersion": answer.version,
        "Containers": running + paused + stopped,
        "ContainersRunning": running,
        "ContainersPaused": paused,
        "ContainersStopped": stopped,
        "Images": answer.objects["Image"],
        "Driver": "overlay2",
        "DockerRootDir": answer.root_path,
        "KernelVersion": answer.kernel_release,
        "OperatingSystem": answer.operating_system,
        "OSType": "linux",
        "NCPU": answer.processors,
        "MemTotal": answer.memory_bytes,
        "DefaultRuntime": answer.default_runtime,
        "CgroupVersion": "2" if answer.cgroup_layout == "v2" else "1",
    }
    return {**docker, **to_public(answer)}


def add_doctor(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold doctor`."""
    parser.add_argument("-o", "--output", choices=_FORMS, default="text", help="How to print it.")


def run_doctor(client: Client, options: argparse.Namespace) -> int:
    """Print what the host has and lacks; exit code 1 when something needed is missing."""
    answer = client.channel.unary(
        "SystemService/Diagnose", system_pb2.DiagnoseRequest(), system_pb2.DiagnoseResponse
    )
    if options.output == "json":
        print(json.dumps([to_public(each) for each in answer.checks], indent=2))
    else:
        rows = [[each.result, each.name, each.message] for each in answer.checks]
        print(render_table(["RESULT", "CHECK", "FOUND"], rows))
        for check in answer.checks:
            if check.remedy:
                print(f"\n{check.name}: {check.remedy}")
    errors = [check.name for check in answer.checks if check.result == "error"]
    if errors:
        raise Failure(f"the host lacks what hold needs: {', '.join(errors)}")
    return 0
