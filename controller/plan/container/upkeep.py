"""What keeps a running container as declared, without a new process."""

from collections.abc import Iterator

from controller.model.container import DesiredState
from controller.model.facts import ProcessState
from controller.model.limits import LimitFacts, LimitsWant
from controller.plan.container.actions import (
    ApplyLimits,
    Attach,
    ContainerAction,
    EnsureNamespace,
    PauseProcess,
    ResumeProcess,
)
from controller.plan.container.inputs import ContainerDesired, ContainerObserved
from controller.plan.container.links import list_link_actions

_PAGE_BYTES = 4096
_CPUS_TOLERANCE = 1e-3


def list_upkeep_actions(
    desired: ContainerDesired, observed: ContainerObserved, wants: tuple[Attach, ...]
) -> tuple[ContainerAction, ...]:
    """Return what differs from the spec in the surroundings of a live process."""
    actions: list[ContainerAction] = []
    want = derive_limits(desired)
    if observed.limits is not None and not are_limits_met(want, observed.limits):
        actions.append(ApplyLimits(uid=desired.uid, want=want))
    actions += _list_freezer_actions(desired, observed)
    # Links come last: they may have to wait for a network, and nothing else should wait with them.
    if desired.is_isolated:
        if observed.namespace is not None and not observed.namespace.loopback_up:
            actions.append(EnsureNamespace(uid=desired.uid))
        actions += list_link_actions(wants, observed.attachments, desired.networks)
    return tuple(actions)


def derive_limits(desired: ContainerDesired) -> LimitsWant:
    """Return the limits that the spec asks for."""
    resources = desired.container.spec.resources
    return LimitsWant(memory_bytes=resources.memory_bytes, cpus=resources.cpus, pids=resources.pids)


def are_limits_met(want: LimitsWant, facts: LimitFacts) -> bool:
    """Tell whether the limits in force are those wanted, as far as the kernel's own rounding lets them be."""
    return (
        _is_same_memory(want.memory_bytes, facts.memory_bytes)
        and _is_same_cpus(want.cpus, facts.cpus)
        and want.pids == facts.pids
    )


def _is_same_memory(want: int | None, fact: int | None) -> bool:
    if want is None or fact is None:
        return want is fact
    return want // _PAGE_BYTES == fact // _PAGE_BYTES


def _is_same_cpus(want: float | None, fact: float | None) -> bool:
    if want is None or fact is None:
        return want is fact
    return abs(want - fact) < _CPUS_TOLERANCE


def _list_freezer_actions(
    desired: ContainerDesired, observed: ContainerObserved
) -> Iterator[ContainerAction]:
    paused = observed.process is not None and observed.process.state is ProcessState.PAUSED
    wanted = desired.container.spec.desired is DesiredState.PAUSED
    if wanted and not paused:
        yield PauseProcess(uid=desired.uid)
    if paused and not wanted:
        yield ResumeProcess(uid=desired.uid)
