"""What volumes can't become, and how those are used that are made for a mount or show an earlier state."""

from collections.abc import Iterator

from controller.errors import InUse, Invalid, Unavailable
from controller.model.container import ContainerSpec
from controller.model.ids import Key
from controller.model.mounts import MountType
from controller.model.volume import SNAPSHOT_LABEL, Volume, VolumeSpec, make_volume_spec
from controller.plan.admission.findings import Findings, name_some
from controller.plan.admission.intents import Intent
from controller.plan.admission.references import World, index_users, is_staying, list_all_uses


def check_volumes(world: World, findings: Findings) -> None:
    """Find volumes of the batch that can't be made or changed so, and containers that can't use theirs so."""
    for key, intent in world.intents.items():
        if isinstance(intent.spec, VolumeSpec):
            _check_source(world, key, intent.spec, intent, findings)
        elif isinstance(intent.spec, ContainerSpec):
            for path, message in _list_faults(world, intent, intent.spec):
                findings.add(Invalid, key, path, message)
    _check_changes(world, findings)


def _check_source(world: World, key: Key, spec: VolumeSpec, intent: Intent, findings: Findings) -> None:
    stored = intent.stored
    if spec.source is None:
        return
    if isinstance(stored, Volume):
        if stored.spec.source != spec.source:
            message = "can't be changed: it was copied when the volume was made"
            findings.add(Invalid, key, "spec.source", message)
        return
    source = Key("Volume", spec.source.volume)
    if source == key:
        findings.add(Invalid, key, "spec.source.volume", "a volume can't be copied from itself")
        return
    present = world.snapshot.get(source)
    if source in world.intents or (
        present is not None and is_staying(present) and source not in world.leaving
    ):
        return
    if present is not None:
        findings.add(Unavailable, key, "spec.source.volume", f"{source} is being deleted")
    else:
        hint = world.suggest(source) or ": make it first"
        findings.add(Invalid, key, "spec.source.volume", f"{source} does not exist{hint}")


def _check_changes(world: World, findings: Findings) -> None:
    """Refuse to change what is mounted while somebody may have it mounted."""
    changed = [
        key
        for key, intent in world.intents.items()
        if isinstance(intent.spec, VolumeSpec)
        and isinstance(intent.stored, Volume)
        and _describe(intent.spec) != _describe(intent.stored.spec)
    ]
    if not changed:
        return
    users = index_users(list_all_uses(world))
    for key in changed:
        if key in users:
            message = (
                f"can't be changed while the volume is used by {name_some(users[key])}: remove them first"
            )
            findings.add(InUse, key, "spec.driverOptions", message)


def _describe(spec: VolumeSpec) -> tuple[str, dict[str, str]]:
    return spec.driver, dict(spec.driver_options)


def _list_faults(world: World, intent: Intent, spec: ContainerSpec) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a container's mounts of volumes."""
    for index, mount in enumerate(spec.mounts):
        if mount.type is not MountType.VOLUME:
            continue
        path = f"spec.mounts[{index}]"
        if mount.driver or mount.driver_options:
            wanted = make_volume_spec(mount)
            present = _find_spec(world, mount.source) if intent.stored is None else None
            if present is not None and _describe(present) != _describe(wanted):
                yield (
                    f"{path}.driverOptions",
                    f"Volume/{mount.source} is there with other options: leave them out, or choose another name",
                )
        if not mount.read_only and mount.source and SNAPSHOT_LABEL in _find_labels(world, mount.source):
            advice = f"mount it read-only, or copy it by hold volume create --from {mount.source}"
            yield f"{path}.readOnly", f"Volume/{mount.source} is a snapshot, which stays as it is: {advice}"


def _find_spec(world: World, name: str) -> VolumeSpec | None:
    stored = world.snapshot.get(Key("Volume", name)) if name else None
    return stored.spec if isinstance(stored, Volume) else None


def _find_labels(world: World, name: str) -> dict[str, str]:
    intent, stored = world.intents.get(Key("Volume", name)), world.snapshot.get(Key("Volume", name))
    if intent is not None:
        return dict(intent.draft.labels)
    return dict(stored.metadata.labels) if stored is not None else {}
