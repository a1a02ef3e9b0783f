"""What a batch of specs comes to: checked whole, then writes and outcomes."""

from collections.abc import Iterable

from controller.errors import InUse, Invalid, NotFound
from controller.model.changes import Decision, FieldChange, MarkDeleted, Outcome, Put, Snapshot, Verb, Write
from controller.model.ids import KINDS, Key, KindName
from controller.model.image import ImageAssigned
from controller.model.kinds import RESOURCE_TYPES, Assigned, Resource
from controller.model.network import NetworkAssigned
from controller.model.resource import Metadata
from controller.model.volume import VolumeAssigned
from controller.plan.admission.anonymous import add_anonymous_volumes
from controller.plan.admission.batch import AdmissionContext, ApplyBatch
from controller.plan.admission.containers import ContainerAssigner
from controller.plan.admission.findings import Findings, name_some
from controller.plan.admission.images import add_named_images, assign_images
from controller.plan.admission.intents import Intent, collect_intents, complete_key
from controller.plan.admission.networks import NetworkAssigner
from controller.plan.admission.references import (
    World,
    check_cycles,
    check_references,
    index_users,
    is_staying,
    list_all_uses,
)
from controller.plan.admission.sublinks import check_sublinks
from controller.plan.admission.volumes import check_volumes
from controller.plan.difference import list_map_changes, list_recreate_paths, list_spec_changes


def decide_apply(snapshot: Snapshot, batch: ApplyBatch, context: AdmissionContext) -> Decision:
    """Return the writes that make the batch's objects desired, or raise one error that reports all that is wrong.

    Outcomes come in the order of the drafts, then images and volumes made for them, then deletions. An object that is already as
    wanted is UNCHANGED and not written. What was assigned before stays as long as it is still valid.
    """
    findings = Findings()
    intents = collect_intents(snapshot, batch, context, findings)
    if batch.create_images:
        add_named_images(snapshot, intents, context.seed)
    add_anonymous_volumes(snapshot, intents, context.seed)
    leaving = _choose_leaving(snapshot, batch, intents, findings)
    world = World(snapshot=snapshot, intents=intents, leaving=frozenset(leaving))
    check_references(world, findings)
    check_cycles(world, findings)
    check_users(world, findings)
    check_volumes(world, findings)
    NetworkAssigner(world, context, findings).assign()
    ContainerAssigner(world, context.host, findings).assign()
    check_sublinks(world, findings)
    writes: list[Write] = [*assign_images(world, batch.pulled)]
    findings.raise_any()

    outcomes: list[Outcome] = []
    for intent in intents.values():
        manager = "" if intent.is_anonymous else batch.manager
        resource, assigned = _build(intent, manager, context)
        outcome = _compare(intent, resource, assigned)
        outcomes.append(outcome)
        if outcome.verb is not Verb.UNCHANGED:
            writes.append(Put(resource=resource, assigned=assigned))
    writes.sort(key=_order)
    outcomes.extend(Outcome(key=key, verb=Verb.DELETE) for key in leaving)
    writes.extend(MarkDeleted(key=key) for key in leaving)
    return Decision(writes=tuple(writes), outcomes=tuple(outcomes))


def check_users(world: World, findings: Findings) -> None:
    """Find objects on their way out that others, which stay, still name."""
    if not world.leaving:
        return
    users = index_users(list_all_uses(world))
    for key in sorted(world.leaving):
        if key in users:
            findings.add(InUse, key, "", f"is used by {name_some(users[key])}: remove them first")


def _choose_leaving(
    snapshot: Snapshot, batch: ApplyBatch, intents: dict[Key, Intent], findings: Findings
) -> tuple[Key, ...]:
    """Return what the batch deletes: what it names, and with prune the manager's objects that it does not name."""
    leaving: dict[Key, None] = {}
    for key in map(complete_key, batch.deletions):
        stored = snapshot.get(key)
        if key in intents:
            findings.add(Invalid, key, "", "is both applied and deleted by the batch")
        elif stored is None:
            findings.add(NotFound, key, "", "does not exist")
        elif is_staying(stored):
            if stored.metadata.manager not in ("", batch.manager) and not batch.force:
                findings.add_other_manager(key, stored.metadata.manager)
            leaving[key] = None
    if batch.prune:
        for key, resource in snapshot.items():
            mine = resource.metadata.manager == batch.manager and resource.metadata.owner is None
            if mine and is_staying(resource) and key not in intents:
                leaving[key] = None
    return order_for_deletion([*leaving, *find_children(snapshot, leaving)])


def find_children(snapshot: Snapshot, parents: Iterable[Key]) -> list[Key]:
    """Return the objects that have one of `parents` as their owner, and their children in turn."""
    uids = {snapshot[key].metadata.uid for key in parents if key in snapshot}
    found: dict[Key, None] = {}
    while uids:
        children = [
            (key, resource.metadata.uid)
            for key, resource in snapshot.items()
            if resource.metadata.owner is not None
            and resource.metadata.owner.uid in uids
            and is_staying(resource)
            and key not in found
        ]
        found.update(dict.fromkeys(key for key, _ in children))
        uids = {uid for _, uid in children}
    return list(found)


def order_for_deletion(keys: Iterable[Key]) -> tuple[Key, ...]:
    """Return the keys, each once, what uses others before what is used."""
    return tuple(sorted(set(keys), key=lambda key: (-KINDS.index(key.kind), key.name)))


def _build(intent: Intent, manager: str, context: AdmissionContext) -> tuple[Resource, Assigned]:
    """Return the object as it will be, and what was assigned to it."""
    draft = intent.draft
    kind = RESOURCE_TYPES[intent.key.kind]
    assigned = intent.assigned or _assign_nothing(intent.key.kind)
    desired: dict[str, object] = {
        "labels": dict(draft.labels),
        "annotations": dict(draft.annotations),
        "manager": manager,
    }
    if intent.stored is None:
        metadata = Metadata(
            name=intent.key.name,
            uid=intent.uid,
            created_at=context.now,
            labels=dict(draft.labels),
            annotations=dict(draft.annotations),
            manager=manager,
        )
        return kind.model_validate(
            {"metadata": metadata, "spec": intent.spec, "assigned": assigned}
        ), assigned
    metadata = intent.stored.metadata.model_copy(update=desired)
    update = {"metadata": metadata, "spec": intent.spec, "assigned": assigned}
    return intent.stored.model_copy(update=update), assigned


def _assign_nothing(kind: KindName) -> Assigned:
    match kind:
        case "Volume":
            return VolumeAssigned()
        case "Image":
            return ImageAssigned()
        case "Container" | "Network":
            raise AssertionError(f"a {kind} of an accepted batch has nothing assigned")


def _compare(intent: Intent, resource: Resource, assigned: Assigned) -> Outcome:
    stored = intent.stored
    if stored is None:
        return Outcome(key=intent.key, verb=Verb.CREATE, changes=list_spec_changes(None, resource.spec))
    before, after = stored.metadata, resource.metadata
    same_spec = stored.spec == resource.spec
    if same_spec and before == after and stored.assigned == assigned:
        return Outcome(key=intent.key, verb=Verb.UNCHANGED)
    changes: list[FieldChange] = [
        *list_map_changes("metadata.labels", before.labels, after.labels),
        *list_map_changes("metadata.annotations", before.annotations, after.annotations),
        *list_map_changes("metadata", {"manager": before.manager}, {"manager": after.manager}),
        *(() if same_spec else list_spec_changes(stored.spec, resource.spec)),
    ]
    because = list_recreate_paths(stored.spec, resource.spec) or _list_network_paths(
        stored.assigned, assigned
    )
    verb = Verb.RECREATE if because else Verb.UPDATE
    return Outcome(key=intent.key, verb=verb, changes=tuple(changes), because=because)


def _list_network_paths(old: Assigned | None, new: Assigned) -> tuple[str, ...]:
    """Return the paths of what a network can't change while it is used."""
    if not isinstance(old, NetworkAssigned) or not isinstance(new, NetworkAssigned):
        return ()
    pairs = {
        "spec.subnets": ((old.subnet, old.ipv6_subnet), (new.subnet, new.ipv6_subnet)),
        "spec.gateway": (old.gateway, new.gateway),
        "spec.ipv6Gateway": (old.ipv6_gateway, new.ipv6_gateway),
        "spec.bridgeName": (old.bridge, new.bridge),
    }
    return tuple(path for path, (before, after) in pairs.items() if before != after)


def _order(write: Write) -> int:
    """Sort what is referred to before what refers to it; the order of the drafts stays within a kind."""
    return KINDS.index(write.resource.kind) if isinstance(write, Put) else len(KINDS)
