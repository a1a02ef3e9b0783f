"""Flags of `run` and `create` for mounts: `-v`, `--mount`, `--tmpfs`, `--volumes-from`."""

import argparse
import os
from collections.abc import Callable, Mapping

from controller.api.v1 import resource_pb2
from controller.cli.client import Failure
from controller.cli.parser import EXIT_DAEMON
from controller.model.mount_forms import parse_long_mount, parse_mount, parse_tmpfs
from controller.model.name_forms import parse_volume_source

_ATTRIBUTES = {
    "type": "type", "source": "source", "target": "target", "readOnly": "read_only",
    "createHostPath": "create_host_path", "size": "size_bytes", "mode": "mode", "propagation": "propagation",
    "recursive": "recursive", "relabel": "relabel", "nocopy": "nocopy", "subpath": "subpath", "options": "options",
    "driver": "driver", "driverOptions": "driver_options", "labels": "labels",
}  # fmt: skip


def add_mount_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    for flags, metavar, text in (
        (("-v", "--volume"), "SOURCE:TARGET[:OPTIONS]", "Volume or host directory."),
        (("--mount",), "type=...,source=...,target=...", "Mount in the long form."),
        (("--tmpfs",), "TARGET[:OPTIONS]", "File system in memory."),
        (("--volumes-from",), "CONTAINER[:ro]", "Take over the mounts of another container."),
    ):
        parser.add_argument(*flags, action="append", default=[], metavar=metavar, help=text)
    parser.add_argument(
        "--volume-driver",
        default="",
        metavar="NAME",
        help="Driver of volumes that -v makes: local, or a plugin.",
    )


def set_mounts(spec: resource_pb2.ContainerSpec, options: argparse.Namespace) -> None:
    """Put the flags into a spec; Failure names the flag that is wrong."""
    _add_each(spec, "--volume", options.volume, lambda text: _parse_volume(text, options.volume_driver))
    _add_each(spec, "--mount", options.mount, _parse_complete_mount)
    _add_each(spec, "--tmpfs", options.tmpfs, parse_tmpfs)
    for text in options.volumes_from:
        try:
            fields = parse_volume_source(text)
        except ValueError as error:
            raise Failure(f"--volumes-from: {error}", code=EXIT_DAEMON) from error
        if isinstance(fields, dict):
            spec.volumes_from.add(container=fields["container"], read_only=fields["readOnly"])


def _add_each(
    spec: resource_pb2.ContainerSpec, flag: str, texts: list[str], parse: Callable[[str], object]
) -> None:
    for text in texts:
        try:
            fields = parse(text)
        except ValueError as error:
            raise Failure(f"{flag}: {error}", code=EXIT_DAEMON) from error
        if isinstance(fields, dict):
            _add_mount(spec, fields)


def _add_mount(spec: resource_pb2.ContainerSpec, fields: Mapping[str, object]) -> None:
    values = {_ATTRIBUTES[name]: value for name, value in fields.items()}
    spec.mounts.append(resource_pb2.Mount(**values))  # type: ignore[arg-type]


def _parse_volume(text: str, driver: str) -> object:
    """Return the fields of -v; a volume that isn't there is made by the driver."""
    fields = parse_mount(_complete_volume(text))
    if driver and isinstance(fields, dict) and fields["type"] == "volume":
        fields["driver"] = driver
    return fields


def _complete_volume(text: str) -> str:
    """Return SOURCE:TARGET with a directory relative to the client, or to the home directory, made absolute."""
    source, _, rest = text.partition(":")
    is_path = source.startswith((".", "~/")) or source == "~"
    return f"{_make_absolute(source)}:{rest}" if is_path else text


def _make_absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))  # noqa: PTH100, PTH111 - pathlib keeps `..`, the daemon refuses it


def _parse_complete_mount(text: str) -> dict[str, object]:
    """Return the fields, relative directories made absolute."""
    fields = parse_long_mount(text)
    if fields["type"] == "bind":
        fields["source"] = _make_absolute(str(fields["source"]))
    return fields
