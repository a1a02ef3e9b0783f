"""What a wish to delete comes to."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from controller.errors import InUse, NotFound
from controller.model.changes import Decision, MarkDeleted, Outcome, Put, Snapshot, Verb, Write
from controller.model.container import Container, ContainerAssigned, Phase
from controller.model.ids import Key
from controller.model.kinds import Resource
from controller.model.network import Network, NetworkAssigned
from controller.model.network_drivers import is_plugin
from controller.model.volume import LOCAL, Volume, VolumeAssigned
from controller.plan.admission.apply import check_users, find_children, order_for_deletion
from controller.plan.admission.batch import CLI_MANAGER
from controller.plan.admission.findings import Findings, suggest
from controller.plan.admission.intents import complete_key
from controller.plan.admission.references import World, index_users, is_staying, list_all_uses

_BUSY = (Phase.CREATING, Phase.RUNNING, Phase.PAUSED, Phase.STOPPING)


def decide_delete(
    snapshot: Snapshot,
    keys: Sequence[Key],
    *,
    manager: str = CLI_MANAGER,
    force: bool = False,
    cascade: bool = False,
    grace_period_s: float | None = None,
) -> Decision:
    """Return the writes that mark the objects, and those that they own, as deleted.

    What is used by objects that stay is refused, and its users are named; with `cascade` they go as well. Other managers'
    objects need `force`. `grace_period_s` replaces the time from a container's stop signal to SIGKILL. An object whose deletion was asked for before is UNCHANGED. Outcomes come in the order of the keys, then those of the rest.
    """
    findings = Findings()
    named = tuple(dict.fromkeys(map(complete_key, keys)))
    present = [key for key in named if _check_present(snapshot, key, findings)]
    leaving = {key for key in present if is_staying(snapshot[key])}
    leaving.update(find_children(snapshot, leaving))
    if cascade:
        leaving = _add_users(snapshot, leaving)
    for key in sorted(leaving):
        owner = snapshot[key].metadata.manager
        if owner not in ("", manager) and not force:
            findings.add_other_manager(key, owner)
    check_users(World(snapshot=snapshot, intents={}, leaving=frozenset(leaving)), findings)
    findings.raise_any()

    ordered = order_for_deletion(leaving)
    writes: list[Write] = []
    for key in ordered:
        writes.extend(_write(snapshot, key, grace_period_s))
    asked = [Outcome(key=key, verb=Verb.DELETE if key in leaving else Verb.UNCHANGED) for key in present]
    others = [Outcome(key=key, verb=Verb.DELETE) for key in ordered if key not in named]
    return Decision(writes=tuple(writes), outcomes=(*asked, *others))


def forget_drivers(snapshot: Snapshot, decision: Decision) -> Decision:
    """Return the decision with the objects that plugins make told to go without them, if need be; also those that wait already."""
    told: list[Write] = []
    outcomes = []
    for outcome in decision.outcomes:
        write = _forget_driver(snapshot[outcome.key])
        told += [write] if write is not None else []
        outcomes.append(replace(outcome, verb=Verb.DELETE) if write is not None else outcome)
    return Decision(writes=(*told, *decision.writes), outcomes=tuple(outcomes))


def _forget_driver(resource: Resource) -> Put | None:
    """Return what is written for an object of a plugin, None for another."""
    match resource:
        case Volume() if resource.spec.driver != LOCAL:
            kept = resource.assigned or VolumeAssigned()
            return Put(resource=resource, assigned=kept.model_copy(update={"driver_forgotten": True}))
        case Network(assigned=NetworkAssigned() as made) if is_plugin(resource.spec.driver):
            return Put(resource=resource, assigned=made.model_copy(update={"driver_forgotten": True}))
        case _:
            return None


def check_idle(snapshot: Snapshot, keys: Iterable[Key]) -> None:
    """Raise InUse for containers among the keys that have a process, or get one just now."""
    findings = Findings()
    for key in keys:
        resource = snapshot.get(key)
        if isinstance(resource, Container) and resource.status.phase in _BUSY:
            message = f"is {resource.status.phase.lower()}: stop it first, or remove it by force"
            findings.add(InUse, key, "", message)
    findings.raise_any()


def _check_present(snapshot: Snapshot, key: Key, findings: Findings) -> bool:
    if key in snapshot:
        return True
    near = suggest(key.name, (other.name for other in snapshot if other.kind == key.kind))
    findings.add(NotFound, key, "", f"does not exist{near}")
    return False


def _add_users(snapshot: Snapshot, leaving: set[Key]) -> set[Key]:
    """Return `leaving` with everything that uses it, directly or through others, and what those own."""
    users = index_users(list_all_uses(World(snapshot=snapshot, intents={}, leaving=frozenset())))
    reached: set[Key] = set()
    fresh = set(leaving)
    while fresh:
        reached |= fresh
        following = {user for key in fresh for user in users.get(key, ())}
        fresh = (following | set(find_children(snapshot, following))) - reached
    return reached


def _write(snapshot: Snapshot, key: Key, grace_period_s: float | None) -> list[Write]:
    resource = snapshot[key]
    if not isinstance(resource, Container) or grace_period_s in (None, resource.spec.stop_grace_period_s):
        return [MarkDeleted(key=key)]
    spec = resource.spec.model_copy(update={"stop_grace_period_s": grace_period_s})
    assigned = resource.assigned or ContainerAssigned()
    return [
        Put(resource=resource.model_copy(update={"spec": spec}), assigned=assigned),
        MarkDeleted(key=key),
    ]
