"""volume create: a volume out of Docker's flags."""

import argparse
import os

from controller.api.v1 import resource_pb2, state_pb2
from controller.cli.client import Client, Failure
from controller.cli.pairs import add_driver_flags, add_pairs_flag, read_pairs
from controller.model.volume_options import check_local_options

ANONYMOUS_LABEL = "hold.anonymous"
_SETBACKS = ("Damaged", "Exhausted", "Invalid", "NotFound", "Refused", "Unsupported")
"""Reasons for which the daemon tries again, and a person does not want to wait."""


def add_create_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold volume create`."""
    add_driver_flags(
        parser,
        default="local",
        drivers="Who keeps it: local, or a plugin.",
        told="What the driver is told; for local type, o and device, as of mount(8).",
    )
    add_pairs_flag(parser, "--label", text="Label.")
    parser.add_argument(
        "--from",
        dest="source",
        default="",
        metavar="VOLUME",
        help="Copy another volume, or a snapshot, and wait until that is done.",
    )
    parser.add_argument(
        "--live", action="store_true", help="With --from: do not pause what writes to the other volume."
    )
    parser.add_argument("name", nargs="?", default="", metavar="VOLUME", help="Name; made up by default.")


def create(client: Client, options: argparse.Namespace) -> str:
    """Make the volume, unless one is there that the flags fit, and return its name."""
    volume = build_volume(options)
    return volume.metadata.name if _is_there(client, volume) else make_volume(client, volume)


def _is_there(client: Client, wanted: resource_pb2.Resource) -> bool:
    """Tell whether a volume has the name, and the driver and options as far as any are given."""
    present, spec = client.find("Volume", wanted.metadata.name), wanted.volume
    return (
        present is not None
        and not spec.HasField("source")
        and (present.volume.driver or "local") == (spec.driver or "local")
        and (not spec.driver_options or present.volume.driver_options == spec.driver_options)
    )


def build_volume(options: argparse.Namespace) -> resource_pb2.Resource:
    """Return the volume that the flags ask for; Failure names the flag that is wrong."""
    driver_options = read_pairs("--opt", options.opt)
    if options.driver == "local":
        try:
            check_local_options(driver_options)
        except ValueError as error:
            raise Failure(f"--opt: {error}") from error
    resource = start_volume(options.name or os.urandom(32).hex(), options)
    resource.volume.driver = options.driver
    resource.volume.driver_options.update(driver_options)
    if not options.name:
        resource.metadata.labels[ANONYMOUS_LABEL] = ""
    return resource


def start_volume(name: str, options: argparse.Namespace) -> resource_pb2.Resource:
    """Return a volume with its labels, and where it is copied from if from anywhere."""
    resource = resource_pb2.Resource(api_version="hold/v1", kind="Volume", volume=resource_pb2.VolumeSpec())
    resource.metadata.name = name
    resource.metadata.labels.update(read_pairs("--label", options.label))
    if options.source:
        resource.volume.source.volume = options.source
        resource.volume.source.pause = not options.live
    return resource


def make_volume(client: Client, resource: resource_pb2.Resource) -> str:
    """Make a volume and return its name; a copy is there by then."""
    client.create([resource])
    if resource.volume.HasField("source"):
        _wait_for_copy(client, resource.metadata.name)
    return resource.metadata.name


def _wait_for_copy(client: Client, name: str) -> None:
    """Return when the volume is whole; when it can't be, it is removed again. Failure says why."""
    for change in client.watch("Volume", name):
        if change.type == "DELETED":
            raise Failure(f"volume {name} was removed by somebody else")
        for condition in change.resource.volume_status.conditions:
            if condition.type != "Ready":
                continue
            if condition.status == "True":
                return
            if condition.reason in _SETBACKS:
                client.delete(state_pb2.DeleteRequest(keys=[state_pb2.Key(kind="Volume", name=name)]))
                raise Failure(f"volume {name} was not made: {condition.message}")
