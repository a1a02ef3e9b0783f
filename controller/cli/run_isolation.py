"""Flags of `run` and `create` for what a container's processes may do and see: capabilities, devices, namespaces."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from controller.api.v1 import resource_pb2
from controller.cli.client import Failure
from controller.cli.pairs import read_pairs
from controller.cli.parser import EXIT_DAEMON
from controller.model.device_forms import parse_device
from controller.model.quantities import parse_size_bytes

T = TypeVar("T")

_SYSTEM_PATHS = ("masked_paths", "readonly_paths")


def add_isolation_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    for flag, metavar, text in (
        ("--cap-add", "NAME", "Capability beyond the default ones, or ALL."),
        ("--cap-drop", "NAME", "Capability to take away, or ALL."),
        (
            "--security-opt",
            "OPTION",
            "no-new-privileges, seccomp=unconfined|FILE, apparmor=, label=, systempaths=",
        ),
        ("--device", "SOURCE[:TARGET][:rwm]", "Device of the host, or a directory of devices."),
        ("--device-cgroup-rule", "RULE", "Devices that may be used, such as 'c 1:3 rwm'."),
        ("--sysctl", "NAME=VALUE", "Kernel setting of the container's own namespaces."),
        ("--group-add", "GROUP", "Further group of the process."),
    ):
        parser.add_argument(flag, action="append", default=[], metavar=metavar, help=text)
    parser.add_argument(
        "--privileged", action="store_true", help="Give everything: only for what you trust fully."
    )
    parser.add_argument(
        "--init",
        action="store_true",
        default=None,
        help="Run an init that passes on signals and reaps orphans.",
    )
    for flag, metavar, text in (
        ("--shm-size", "SIZE", "Most bytes of /dev/shm; 64m by default."),
        ("--pid", "MODE", "Whose processes are seen: host, or container:NAME."),
        ("--ipc", "MODE", "Whose IPC is used: private, shareable, none, host, or container:NAME."),
        ("--uts", "MODE", "host: the host's name and domain."),
        ("--userns", "MODE", "auto: users of its own on the host; host (default): the host's."),
        ("--cgroupns", "MODE", "private (default) or host."),
        ("--isolation", "MODE", "default; others are of Windows."),
    ):
        parser.add_argument(flag, default="", metavar=metavar, help=text)


def set_isolation(spec: resource_pb2.ContainerSpec, options: argparse.Namespace) -> None:
    """Put the flags into a spec; Failure names the flag that is wrong."""
    spec.cap_add.extend(options.cap_add)
    spec.cap_drop.extend(options.cap_drop)
    spec.group_add.extend(options.group_add)
    spec.device_cgroup_rules.extend(options.device_cgroup_rule)
    spec.sysctls.update(read_pairs("--sysctl", options.sysctl))
    spec.privileged = options.privileged
    if options.init is not None:
        spec.init = options.init
    for text in options.device:
        fields = _read("--device", parse_device, text)
        if isinstance(fields, dict):
            spec.devices.add(**fields)
    for text in options.security_opt:
        _add_security_option(spec.security_opt, text)
    if options.shm_size:
        spec.shm_size_bytes = int(str(_read("--shm-size", parse_size_bytes, options.shm_size)))
    _set_namespaces(spec, options)


def _set_namespaces(spec: resource_pb2.ContainerSpec, options: argparse.Namespace) -> None:
    if options.isolation not in ("", "default"):
        raise Failure(
            f"--isolation {options.isolation}: only Windows has it: write default", code=EXIT_DAEMON
        )
    for flag, attribute in (
        ("pid", "pid"),
        ("ipc", "ipc"),
        ("uts", "uts"),
        ("cgroupns", "cgroup"),
        ("userns", "user_namespace"),
    ):
        value = getattr(options, flag)
        if value:
            setattr(spec, attribute, value)


def _add_security_option(target: resource_pb2.SecurityOptions, text: str) -> None:
    mark = "=" if "=" in text else ":"
    key, _, value = text.partition(mark)
    match key:
        case "no-new-privileges" if value in ("", "true", "false"):
            target.no_new_privileges = value != "false"
        case "seccomp" if value in ("unconfined", "default", "builtin"):
            target.seccomp = "unconfined" if value == "unconfined" else "default"
        case "seccomp" if value:
            target.seccomp_profile.CopyFrom(_read_profile(value))
        case "apparmor" if value:
            target.apparmor = value
        case "label" if value:
            target.labels.append(value)
        case "systempaths" if value == "unconfined":
            for name in _SYSTEM_PATHS:
                getattr(target, name).SetInParent()
        case _:
            known = "no-new-privileges, seccomp=unconfined|FILE, apparmor=PROFILE, label=LABEL, systempaths=unconfined"
            raise Failure(f"--security-opt: {text!r} is not known: use {known}", code=EXIT_DAEMON)


def _read_profile(path: str) -> resource_pb2.SeccompProfile:
    from google.protobuf import json_format

    try:
        text = Path(path).read_text()
        return json_format.Parse(text, resource_pb2.SeccompProfile())
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or "").lower() if isinstance(error, OSError) else "it is not UTF-8 text"
        raise Failure(f"--security-opt: {path} can't be read: {reason}", code=EXIT_DAEMON) from error
    except json_format.ParseError as error:
        raise Failure(
            f"--security-opt: {path} is not a seccomp profile: {error}", code=EXIT_DAEMON
        ) from error


def _read(flag: str, parse: Callable[[object], T], text: str) -> T:
    try:
        return parse(text)
    except ValueError as error:
        raise Failure(f"{flag}: {error}", code=EXIT_DAEMON) from error
