"""A container's mounts in Docker's fields."""

from collections.abc import Mapping
from typing import Any

Document = Mapping[str, Any]


def view_mounts(spec: Document, status: Document) -> list[dict[str, Any]]:
    """Return Mounts: those of the spec with every volume named, and those that the image asks for."""
    volumes = status.get("volumes", {})
    own = [
        {**each, "source": each.get("source") or volumes.get(each["target"], "")}
        for each in spec.get("mounts", [])
    ]
    covered = {each["target"] for each in own}
    wanted = [
        {"type": "volume", "source": name, "target": target}
        for target, name in volumes.items()
        if target not in covered
    ]
    return [_view_mount(each) for each in (*own, *wanted)]


def _view_mount(mount: Document) -> dict[str, Any]:
    kind = mount["type"]
    return {
        "Type": kind,
        "Name": mount.get("source", "") if kind == "volume" else "",
        "Source": mount.get("source", ""),
        "Destination": mount["target"],
        "Driver": mount.get("driver", "local") if kind == "volume" else "",
        "Mode": "ro" if mount.get("readOnly") else "",
        "RW": not mount.get("readOnly", False),
        "Propagation": mount.get("propagation", "rprivate") if kind == "bind" else "",
    }


def view_binds(spec: Document) -> dict[str, Any]:
    """Return the parts of HostConfig that say what was asked for by `-v` and `--tmpfs`."""
    mounts = spec.get("mounts", [])
    return {
        "Binds": [
            _spell_bind(each) for each in mounts if each["type"] in ("bind", "volume") and each.get("source")
        ],
        "Tmpfs": {each["target"]: _spell_options(each) for each in mounts if each["type"] == "tmpfs"},
    }


def _spell_bind(mount: Document) -> str:
    return f"{mount['source']}:{mount['target']}" + (":ro" if mount.get("readOnly") else "")


def _spell_options(mount: Document) -> str:
    size = [f"size={mount['size']}"] if "size" in mount else []
    return ",".join([*size, *mount.get("options", [])])
