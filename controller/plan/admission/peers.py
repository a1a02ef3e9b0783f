"""Containers that a spec names by their identity, as Docker allows, by the names that they are stored by."""

import re
from collections.abc import Iterable

from controller.model.changes import Snapshot
from controller.model.container import ContainerSpec
from controller.model.ids import Key
from controller.model.naming import find_peer

_UID_START = re.compile(r"[0-9a-f]{4,32}")


def name_peers(spec: ContainerSpec, snapshot: Snapshot) -> ContainerSpec:
    """Return the spec with the beginning of a uid replaced by the container's name, where no container has that name."""
    update: dict[str, object] = {}
    for field in ("network_mode", "pid", "ipc"):
        mode = getattr(spec, field)
        name = _find_name(find_peer(mode), snapshot)
        if name:
            update[field] = f"container:{name}"
    for field in ("links", "volumes_from"):
        named = tuple(_find_name(each.container, snapshot) for each in getattr(spec, field))
        if any(named):
            pairs = zip(getattr(spec, field), named, strict=True)
            update[field] = tuple(
                each.model_copy(update={"container": name}) if name else each for each, name in pairs
            )
    return spec.model_copy(update=update) if update else spec


def _find_name(text: str, snapshot: Snapshot) -> str:
    """Return the name of the only container whose uid begins so; empty when it is a name, or nobody's."""
    if not _UID_START.fullmatch(text) or Key("Container", text) in snapshot:
        return ""
    return _only(
        key.name
        for key, resource in snapshot.items()
        if key.kind == "Container" and (resource.metadata.uid or "").startswith(text)
    )


def _only(names: Iterable[str]) -> str:
    found = list(names)
    return found[0] if len(found) == 1 else ""
