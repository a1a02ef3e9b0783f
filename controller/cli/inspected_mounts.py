"""Docker's Mounts of a container, with what the daemon has to be asked for: volumes' directories, others' mounts."""

from collections.abc import Mapping
from typing import Any

from controller.cli.client import Client
from controller.cli.docker_mounts import view_mounts
from controller.cli.fields import to_document

_MOST_HOPS = 16
"""As many containers take over mounts from one another; more is a circle."""


def list_mounts(client: Client, document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the mounts that a container has, also those that it takes over from others."""
    return [_locate(client, each) for each in _list_mounts(client, document, _MOST_HOPS)]


def _list_mounts(client: Client, document: Mapping[str, Any], hops: int) -> list[dict[str, Any]]:
    spec, status = document.get("spec", {}), document.get("status", {})
    found = {each["Destination"]: each for each in view_mounts(spec, status)}
    own = set(found)
    for source in spec.get("volumesFrom", []) if hops else ():
        other = client.find("Container", source["container"])
        for mount in _list_mounts(client, to_document(other), hops - 1) if other is not None else ():
            if mount["Type"] in ("bind", "volume") and mount["Destination"] not in own:
                read_only = source.get("readOnly", False) or not mount["RW"]
                access = {"RW": False, "Mode": "ro"} if read_only else {}
                found[mount["Destination"]] = mount | access
    return list(found.values())


def _locate(client: Client, mount: dict[str, Any]) -> dict[str, Any]:
    """Return the mount with its volume's directory and driver; one whose volume is not there as it is."""
    volume = client.find("Volume", mount["Name"]) if mount["Type"] == "volume" and mount["Name"] else None
    if volume is None:
        return mount
    return mount | {"Source": volume.volume_status.path, "Driver": volume.volume.driver or "local"}
