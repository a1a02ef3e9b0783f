"""volume snapshot: create, ls, rm, restore. A snapshot is a volume that is copied from another one and stays as it is."""

import argparse
import time
from typing import Any

from controller.api.v1 import volume_pb2
from controller.cli.client import Client, Failure
from controller.cli.deletion import add_removal, remove
from controller.cli.listing import Listing, add_format_flag, print_lines
from controller.cli.pairs import add_pairs_flag
from controller.cli.volume_create import make_volume, start_volume

SNAPSHOT_LABEL = "hold.snapshot-of"
_TITLES = {"Name": "SNAPSHOT", "Volume": "VOLUME", "CreatedAt": "CREATED AT", "Mountpoint": "MOUNTPOINT"}
_LISTING = Listing(titles=_TITLES, shown=("Name", "Volume", "CreatedAt"))


def add_snapshot(verbs: Any) -> None:  # noqa: ANN401 - argparse keeps the type to itself
    """Add the flags of `hold volume snapshot`."""
    parser = verbs.add_parser("snapshot", help="Keep a volume as it is now, and go back to it.")
    steps = parser.add_subparsers(dest="step", required=True, metavar="create|ls|rm|restore")
    making = steps.add_parser("create", help="Make a snapshot of a volume.")
    add_pairs_flag(making, "--label", text="Label.")
    making.add_argument(
        "--live", action="store_true", help="Do not pause the containers that write to the volume."
    )
    making.add_argument("source", metavar="VOLUME", help="The volume.")
    making.add_argument(
        "name", nargs="?", default="", metavar="SNAPSHOT", help="Name; the volume's with the time by default."
    )
    listing = steps.add_parser("ls", aliases=["list"], help="List snapshots.")
    listing.add_argument("-q", "--quiet", action="store_true", help="Print names only.")
    add_format_flag(listing)
    listing.add_argument("volume", nargs="?", default="", metavar="VOLUME", help="Only of this volume.")
    add_removal(steps, "snapshots", "SNAPSHOT")
    back = steps.add_parser("restore", help="Put what a snapshot has in place of what a volume has.")
    back.add_argument("-f", "--force", action="store_true", help="Also when the volume has anything.")
    back.add_argument("name", metavar="SNAPSHOT")
    back.add_argument(
        "volume", nargs="?", default="", metavar="VOLUME", help="The volume; the snapshot's own by default."
    )


def run_snapshot(client: Client, options: argparse.Namespace) -> None:
    """Carry out the step."""
    match options.step:
        case "create":
            print(_create(client, options))
        case "ls" | "list":
            _list(client, options)
        case "rm" | "remove":
            for name in options.names:
                _check(client, name, missing_is_fine=options.force)
            remove(client, "Volume", options.names, force=options.force)
        case _:
            _restore(client, options)


def _create(client: Client, options: argparse.Namespace) -> str:
    name = options.name or f"{options.source}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}"
    resource = start_volume(name, options)
    resource.metadata.labels[SNAPSHOT_LABEL] = options.source
    return make_volume(client, resource)


def _list(client: Client, options: argparse.Namespace) -> None:
    selector = f"{SNAPSHOT_LABEL}={options.volume}" if options.volume else SNAPSHOT_LABEL
    found = client.list_all("Volume", selector)
    found.sort(key=lambda each: (each.metadata.created_at.ToNanoseconds(), each.metadata.name))
    rows = [
        {
            "Name": each.metadata.name,
            "Volume": each.metadata.labels[SNAPSHOT_LABEL],
            "CreatedAt": each.metadata.created_at.ToJsonString(),
            "Mountpoint": each.volume_status.path,
        }
        for each in found
    ]
    if options.quiet:
        print_lines("\n".join(row["Name"] for row in rows))
    else:
        print_lines(_LISTING.render(rows, options.format))


def _restore(client: Client, options: argparse.Namespace) -> None:
    volume = options.volume or _check(client, options.name)
    request = volume_pb2.RevertVolumeRequest(volume=volume, source=options.name, force=options.force)
    client.channel.unary("VolumeService/RevertVolume", request, volume_pb2.RevertVolumeResponse)
    print(volume)


def _check(client: Client, name: str, *, missing_is_fine: bool = False) -> str:
    """Return the volume that a snapshot is of; Failure for what is none."""
    found = client.find("Volume", name) if missing_is_fine else client.get("Volume", name)
    if found is None:
        return ""
    if SNAPSHOT_LABEL not in found.metadata.labels:
        raise Failure(f"volume {name} is no snapshot: `hold volume snapshot ls` lists those that there are")
    return found.metadata.labels[SNAPSHOT_LABEL]
