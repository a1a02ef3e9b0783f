"""volume: ls, create, rm, inspect, prune, snapshot, backup, restore."""

import argparse
from collections.abc import Callable, Mapping
from typing import Any

from controller.api.v1 import resource_pb2, system_pb2
from controller.cli.client import Client, Failure
from controller.cli.deletion import add_removal, remove
from controller.cli.inspect import inspect_kind
from controller.cli.listing import Listing, add_format_flag, print_lines
from controller.cli.prune import add_volume_prune, run_volume_prune
from controller.cli.tables import render_size
from controller.cli.volume_archives import add_archive_verbs, run_backup, run_restore
from controller.cli.volume_create import add_create_flags, create
from controller.cli.volume_snapshots import add_snapshot, run_snapshot

_FILTERS = "dangling=true|false, driver=NAME, label=NAME[=VALUE] or name=TEXT"
_TITLES = {
    "Driver": "DRIVER",
    "Name": "VOLUME NAME",
    "Scope": "SCOPE",
    "Mountpoint": "MOUNTPOINT",
    "Labels": "LABELS",
    "Links": "LINKS",
    "Size": "SIZE",
    "CreatedAt": "CREATED AT",
}
_LISTING = Listing(titles=_TITLES, shown=("Driver", "Name"))
_USAGE = ("Size", "Links")
"""What has to be measured."""


def add_volume(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold volume`."""
    verbs = parser.add_subparsers(
        dest="verb", required=True, metavar="ls|create|rm|inspect|prune|snapshot|backup|restore"
    )
    listing = verbs.add_parser("ls", aliases=["list"], help="List volumes.")
    listing.add_argument("-q", "--quiet", action="store_true", help="Print names only.")
    listing.add_argument(
        "-f", "--filter", action="append", default=[], metavar="KEY=VALUE", help=f"Only {_FILTERS}."
    )
    add_format_flag(listing)
    add_create_flags(verbs.add_parser("create", help="Make a volume."))
    add_removal(verbs, "volumes", "VOLUME")
    inspection = verbs.add_parser("inspect", help="Show volumes as JSON.")
    inspection.add_argument("-f", "--format", default="", help="Template such as '{{.Mountpoint}}'.")
    inspection.add_argument("-s", "--size", action="store_true", help="Measure them too.")
    inspection.add_argument("names", nargs="+", metavar="VOLUME")
    add_volume_prune(verbs.add_parser("prune", help="Remove volumes that no container uses."))
    add_snapshot(verbs)
    add_archive_verbs(verbs)


def run_volume(client: Client, options: argparse.Namespace) -> int:
    """Carry out the verb."""
    match options.verb:
        case "ls" | "list":
            _list(client, options)
        case "create":
            print(create(client, options))
        case "rm" | "remove":
            return remove(client, "Volume", options.names, force=options.force)
        case "inspect":
            return _inspect(client, options)
        case "snapshot":
            run_snapshot(client, options)
        case "backup" | "export":
            run_backup(client, options)
        case "restore" | "import":
            run_restore(client, options)
        case _:
            return run_volume_prune(client, options)
    return 0


def _list(client: Client, options: argparse.Namespace) -> None:
    volumes = client.list_all("Volume")
    tests = [read_filter(client, text) for text in options.filter]
    kept = [each for each in volumes if all(test(each) for test in tests)]
    measured = any(word in options.format for word in (*_USAGE, "json"))
    usage = _measure(client) if measured else {}
    rows = [_describe(each, usage.get(each.metadata.name)) for each in kept]
    if options.quiet:
        print_lines("\n".join(row["Name"] for row in rows))
    else:
        print_lines(_LISTING.render(rows, options.format))


def _describe(volume: resource_pb2.Resource, usage: system_pb2.VolumeDiskUsage | None) -> Mapping[str, str]:
    metadata = volume.metadata
    return {
        "Driver": volume.volume.driver or "local",
        "Name": metadata.name,
        "Scope": "local",
        "Mountpoint": volume.volume_status.path,
        "Labels": ",".join(f"{name}={value}" for name, value in sorted(metadata.labels.items())),
        "Links": str(len(usage.containers)) if usage is not None else "N/A",
        "Size": render_size(usage.size_bytes) if usage is not None else "N/A",
        "CreatedAt": metadata.created_at.ToJsonString(),
    }


def _measure(client: Client) -> Mapping[str, system_pb2.VolumeDiskUsage]:
    request = system_pb2.GetDiskUsageRequest()
    answer = client.channel.unary("SystemService/GetDiskUsage", request, system_pb2.GetDiskUsageResponse)
    return {each.name: each for each in answer.volumes}


def read_filter(client: Client, text: str) -> Callable[[resource_pb2.Resource], bool]:
    """Return the test that a `--filter` asks for."""
    key, _, value = text.partition("=")
    name, equals, wanted = value.partition("=")
    match key:
        case "name":
            return lambda volume: value in volume.metadata.name
        case "driver":
            return lambda volume: (volume.volume.driver or "local") == value
        case "label":
            return lambda volume: (
                name in volume.metadata.labels and (not equals or volume.metadata.labels[name] == wanted)
            )
        case "dangling" if value in ("true", "false", "1", "0"):
            used = {name for each in client.list_all("Container") for name in list_volumes(each)}
            return lambda volume: (volume.metadata.name not in used) is (value in ("true", "1"))
        case _:
            raise Failure(f"--filter {text!r} is not known: write {_FILTERS}")


def list_volumes(container: resource_pb2.Resource) -> set[str]:
    """Return the names of the volumes that a container uses."""
    named = {mount.source for mount in container.container.mounts if mount.type == "volume"}
    return named | set(container.container_status.volumes.values())


def _inspect(client: Client, options: argparse.Namespace) -> int:
    containers = client.list_all("Container")
    usage = _measure(client) if options.size or "UsageData" in options.format else {}

    def complete(document: dict[str, Any]) -> dict[str, Any]:
        name = document["metadata"]["name"]
        users = [each.metadata.name for each in containers if name in list_volumes(each)]
        size = {"usage": {"size": usage[name].size_bytes, "containers": len(users)}} if name in usage else {}
        return document | {"containers": users} | size

    return inspect_kind(client, "Volume", options.names, options.format, complete)
