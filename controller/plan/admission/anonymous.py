"""Volumes that nobody named: made with the container that they are for, and known by it alone."""

import hashlib
from collections.abc import Iterable, Mapping

from controller.model.changes import Draft, Snapshot
from controller.model.container import Container, ContainerSpec
from controller.model.ids import Key, Uid
from controller.model.mounts import Mount
from controller.model.volume import ANONYMOUS_LABEL, VolumeSpec, make_volume_spec
from controller.plan.admission.intents import Intent, derive_uid
from controller.plan.admission.references import index_users, list_uses
from controller.plan.container.expansion import find_image_config, list_nameless


def derive_volume_name(container: Uid, target: str) -> str:
    """Return the name of a container's own volume for a target, 64 hex digits as Docker has them."""
    return hashlib.sha256(f"{container}\0volume\0{target}".encode()).hexdigest()


def add_anonymous_volumes(snapshot: Snapshot, intents: dict[Key, Intent], seed: str) -> None:
    """Choose the volumes that the batch's containers have without a name, and add those to the batch that are missing."""
    for intent in [*intents.values()]:
        if isinstance(intent.spec, ContainerSpec):
            intent.volumes = _choose_volumes(snapshot, intent, intent.spec)
            mounts = {mount.target: mount for mount in intent.spec.mounts}
            for target, name in intent.volumes.items():
                key = Key("Volume", name)
                if key not in snapshot and key not in intents:
                    intents[key] = _make_volume(key, intent, seed, mount=mounts.get(target))


def _choose_volumes(snapshot: Snapshot, intent: Intent, spec: ContainerSpec) -> dict[str, str]:
    """Return the volumes by target; those chosen before stay, also while the image can't be asked."""
    before = intent.stored.assigned if isinstance(intent.stored, Container) else None
    kept: Mapping[str, str] = before.volumes if before is not None else {}
    config = find_image_config(snapshot, spec)
    targets = dict.fromkeys(list_nameless(snapshot, spec, config))
    if config is None and spec.image is not None:
        named = {mount.target for mount in spec.mounts}
        targets |= dict.fromkeys(target for target in kept if target not in named)
    return {target: kept.get(target) or derive_volume_name(intent.uid, target) for target in targets}


def _make_volume(key: Key, intent: Intent, seed: str, *, mount: Mount | None) -> Intent:
    """Return the volume of a mount, or of a path that the image names."""
    spec = make_volume_spec(mount) if mount is not None else VolumeSpec()
    labels = {**(mount.labels if mount is not None else {}), ANONYMOUS_LABEL: intent.uid}
    draft = Draft(key=key, spec=spec, labels=labels, annotations={})
    return Intent(key=key, uid=derive_uid(seed, key), spec=spec, draft=draft, stored=None, is_anonymous=True)


def list_anonymous_volumes(snapshot: Snapshot, containers: Iterable[Key]) -> tuple[Key, ...]:
    """Return the volumes that these containers have without a name and that no other object uses."""
    leaving = set(containers)
    found: dict[Key, None] = {}
    for key in leaving:
        container = snapshot.get(key)
        if isinstance(container, Container) and container.assigned is not None:
            names = container.assigned.volumes.values()
            found.update(dict.fromkeys(Key("Volume", name) for name in names))
    present = [key for key in found if key in snapshot]
    if not present:
        return ()
    users = index_users((key, list_uses(resource)) for key, resource in snapshot.items())
    return tuple(key for key in present if leaving.issuperset(users.get(key, ())))
