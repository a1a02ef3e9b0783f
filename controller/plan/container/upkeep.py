"""What keeps a running container as declared, without a new process."""

from collections.abc import Iterator

from controller.model.container import DesiredState
from controller.model.facts import ProcessState
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
from controller.plan.container.texts import list_text_actions
from controller.plan.limits import derive_limits, find_differences


def list_upkeep_actions(
    desired: ContainerDesired, observed: ContainerObserved, wants: tuple[Attach, ...]
) -> tuple[ContainerAction, ...]:
    """Return what differs from the spec in the surroundings of a live process."""
    actions: list[ContainerAction] = []
    want = derive_limits(desired.container.spec.resources)
    if observed.limits is not None and find_differences(want, observed.limits):
        actions.append(ApplyLimits(uid=desired.uid, want=want))
    actions += list_text_actions(desired, observed)
    actions += _list_freezer_actions(desired, observed)
    # Links come last: they may have to wait for a network, and nothing else should wait with them.
    if desired.is_isolated:
        if observed.namespace is not None and not observed.namespace.loopback_up:
            actions.append(EnsureNamespace(uid=desired.uid, id_base=desired.root.id_base))
        actions += list_link_actions(wants, observed.attachments, desired.networks)
    return tuple(actions)


def _list_freezer_actions(
    desired: ContainerDesired, observed: ContainerObserved
) -> Iterator[ContainerAction]:
    paused = observed.process is not None and observed.process.state is ProcessState.PAUSED
    wanted = desired.container.spec.desired is DesiredState.PAUSED
    if wanted and not paused:
        yield PauseProcess(uid=desired.uid)
    if paused and not wanted:
        yield ResumeProcess(uid=desired.uid)
