"""Drafts made comparable with what is stored: names completed, defaults spelled out, writer's rights checked."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from controller.errors import AlreadyExists, Invalid, NotFound, StaleRevision, Unavailable
from controller.model.attachments import NetworkAttachment
from controller.model.changes import Draft, Snapshot
from controller.model.container import ContainerSpec
from controller.model.ids import NAME_PATTERN, Key, Uid
from controller.model.image import ImageSpec, complete_image_name
from controller.model.image_reference import parse_reference
from controller.model.kinds import Assigned, Resource, Spec
from controller.model.mounts import Mount, MountType
from controller.model.volume import make_volume_spec
from controller.plan.admission.batch import AdmissionContext, ApplyBatch
from controller.plan.admission.findings import Findings
from controller.plan.admission.peers import name_peers

DEFAULT_NETWORK = "bridge"
_NAME = re.compile(NAME_PATTERN)


@dataclass(slots=True, kw_only=True)
class Intent:
    """One object of the batch on its way to a write; `assigned` is filled in step by step.

    `volumes` are those by target that a container has without a name; `is_anonymous` marks such a volume.
    """

    key: Key
    uid: Uid
    spec: Spec
    draft: Draft
    stored: Resource | None
    assigned: Assigned | None = None
    volumes: dict[str, str] = field(default_factory=dict)
    is_anonymous: bool = False


def complete_key(key: Key) -> Key:
    """Return `key`, an image's with its tag."""
    return Key(key.kind, complete_image_name(key.name)) if key.kind == "Image" else key


def complete_spec(spec: Spec, stored: Resource | None, snapshot: Snapshot) -> Spec:
    """Return `spec` as it is stored, so that applying the same text again finds nothing changed.

    An image gets its tag, a container without networks the default one. The serial number of the run never falls: a
    manifest does not know of restarts asked for since.
    """
    if isinstance(spec, ImageSpec):
        return _complete_source(spec)
    if not isinstance(spec, ContainerSpec):
        return spec
    spec = name_peers(spec, snapshot)
    update: dict[str, object] = {}
    if spec.image is not None and spec.image != complete_image_name(spec.image):
        update["image"] = complete_image_name(spec.image)
    mounts = tuple(map(_complete_mount, spec.mounts))
    if mounts != spec.mounts:
        update["mounts"] = mounts
    if not spec.networks and spec.network_mode is None:
        update["networks"] = (NetworkAttachment(name=DEFAULT_NETWORK),)
    if stored is not None and isinstance(stored.spec, ContainerSpec) and stored.spec.run > spec.run:
        update["run"] = stored.spec.run
    return spec.model_copy(update=update) if update else spec


def _complete_mount(mount: Mount) -> Mount:
    if mount.type is not MountType.IMAGE:
        return mount
    return mount.model_copy(update={"source": complete_image_name(mount.source), "read_only": True})


def _complete_source(spec: ImageSpec) -> ImageSpec:
    registry = spec.source.registry
    familiar = complete_image_name(registry) if registry is not None else None
    if familiar == registry:
        return spec
    return spec.model_copy(update={"source": spec.source.model_copy(update={"registry": familiar})})


def derive_uid(seed: str, key: Key) -> Uid:
    """Return the uid of a new object: as unique as `seed` is."""
    return Uid(hashlib.sha256(f"{seed}\0{key.kind}\0{key.name}".encode()).hexdigest()[:32])


def collect_intents(
    snapshot: Snapshot, batch: ApplyBatch, context: AdmissionContext, findings: Findings
) -> dict[Key, Intent]:
    """Return the batch's objects in the order of the drafts; those that can't be written are only in `findings`."""
    intents: dict[Key, Intent] = {}
    for draft in [*batch.drafts, *_list_volume_drafts(snapshot, batch)]:
        key = complete_key(draft.key)
        if key in intents:
            findings.add(Invalid, key, "", "is in the batch twice")
            continue
        stored = snapshot.get(key)
        if not check_name(key, findings):
            continue
        if stored is None:
            _check_absent(draft, key, findings)
        else:
            _check_stored(stored, draft, batch, findings)
        uid = stored.metadata.uid if stored is not None else None
        intents[key] = Intent(
            key=key,
            uid=Uid(uid) if uid else derive_uid(context.seed, key),
            spec=complete_spec(draft.spec, stored, snapshot),
            draft=draft,
            stored=stored,
        )
    return intents


def _list_volume_drafts(snapshot: Snapshot, batch: ApplyBatch) -> Iterable[Draft]:
    if not batch.create_volumes:
        return ()
    present = {draft.key for draft in batch.drafts}
    missing: dict[Key, Draft] = {}
    for draft in batch.drafts:
        if not isinstance(draft.spec, ContainerSpec):
            continue
        for mount in draft.spec.mounts:
            key = Key("Volume", mount.source)
            named = mount.type is MountType.VOLUME and mount.source
            if named and key not in snapshot and key not in present:
                spec = make_volume_spec(mount)
                missing.setdefault(key, Draft(key=key, spec=spec, labels=mount.labels, annotations={}))
    return missing.values()


def check_name(key: Key, findings: Findings) -> bool:
    """Find a name that is none; tells whether it is one."""
    message = _explain_image_name(key.name) if key.kind == "Image" else _explain_name(key.name)
    if not message:
        return True
    findings.add(Invalid, key, "metadata.name", message)
    return False


def _explain_name(name: str) -> str:
    """Return why a name is none, nothing when it is one."""
    if _NAME.fullmatch(name):
        return ""
    return f"{name!r} is not a name: use 1 to 128 of a-z A-Z 0-9 _ . - and begin with a letter or digit"


def _explain_image_name(name: str) -> str:
    """Return why no image can be asked for by that name, nothing when one can."""
    try:
        parse_reference(name)
    except ValueError as error:
        return str(error)
    return ""


def _check_absent(draft: Draft, key: Key, findings: Findings) -> None:
    if draft.uid is not None or draft.revision:
        path = "metadata.uid" if draft.uid is not None else "metadata.revision"
        findings.add(
            NotFound, key, path, "the object does not exist any more: apply it without uid and revision"
        )


def _refuse_existing(key: Key, findings: Findings, *, leaving: bool) -> None:
    state = "is still being removed" if leaving else "is in use"
    advice = "try again in a moment" if leaving else "remove what has it, or use another name"
    findings.add(AlreadyExists, key, "metadata.name", f"name {key.name!r} {state}: {advice}")


def _check_stored(stored: Resource, draft: Draft, batch: ApplyBatch, findings: Findings) -> None:
    key, metadata = complete_key(draft.key), stored.metadata
    if batch.create_only:
        _refuse_existing(key, findings, leaving=metadata.deleted_at is not None)
        return
    if metadata.deleted_at is not None:
        findings.add(Unavailable, key, "", "is being deleted: apply it again when it is gone")
        return
    if draft.uid is not None and draft.uid != metadata.uid:
        message = f"is {metadata.uid} now, not {draft.uid}: the object was replaced, read it again"
        findings.add(StaleRevision, key, "metadata.uid", message)
    elif draft.revision and draft.revision != metadata.revision:
        message = (
            f"is {metadata.revision} now, not {draft.revision}: the object was written since, read it again"
        )
        findings.add(StaleRevision, key, "metadata.revision", message)
    if metadata.manager not in ("", batch.manager) and not batch.force:
        findings.add_other_manager(key, metadata.manager)
