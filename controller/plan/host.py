"""What to do for the host as a whole: one set of firewall rules, one set of served names."""

from dataclasses import dataclass

from controller.model.changes import Snapshot, gather
from controller.model.container import Container, DesiredState, Phase
from controller.model.facts import FirewallFacts, NamesFacts
from controller.model.network import Network
from controller.model.wants import FirewallWant, NamesWant
from controller.plan.base import Plan
from controller.plan.names import NamesRenderer
from controller.plan.oci.defaults import ContainerDefaults
from controller.plan.rules import RulesRenderer


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceFirewall:
    """Install all rules in place of ours."""

    want: FirewallWant

    def describe(self) -> str:
        return "replace firewall rules"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishNames:
    """Serve exactly these names."""

    want: NamesWant

    def describe(self) -> str:
        return f"serve names on {len(self.want.zones)} networks"


HostAction = ReplaceFirewall | PublishNames


@dataclass(frozen=True, slots=True, kw_only=True)
class HostDesired:
    """Everything that is wanted of the host, rendered from all networks and containers."""

    firewall: FirewallWant
    names: NamesWant


@dataclass(frozen=True, slots=True, kw_only=True)
class HostObserved:
    """What the host has of it."""

    firewall: FirewallFacts
    names: NamesFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class _Share:
    """What counts for the host in some objects."""

    networks: tuple[Network, ...]
    reachable: tuple[Container, ...]


def _sift(objects: Snapshot) -> _Share:
    return _Share(
        networks=tuple(each for each in objects.values() if isinstance(each, Network)),
        reachable=tuple(
            each for each in objects.values() if isinstance(each, Container) and is_reachable(each)
        ),
    )


def derive_host(
    snapshot: Snapshot, defaults: ContainerDefaults, *, rules: RulesRenderer, names: NamesRenderer
) -> HostDesired:
    """Return the rules and names that all networks and containers together come to."""
    shares = gather(snapshot, _sift)
    networks = {each.metadata.name: each for share in shares for each in share.networks}
    containers = [each for share in shares for each in share.reachable]
    return HostDesired(
        firewall=rules.render(networks, containers),
        names=names.render(networks.values(), [share.reachable for share in shares], defaults),
    )


def plan_host(desired: HostDesired, observed: HostObserved) -> Plan[HostAction, None]:
    """Return what makes rules and names right again; ports first, for they keep clients waiting."""
    actions = (*plan_rules(desired, observed.firewall), *plan_names(desired, observed.names))
    return Plan(actions=actions, status=None)


def plan_rules(desired: HostDesired, observed: FirewallFacts) -> tuple[HostAction, ...]:
    """Return what makes rules right again."""
    if observed.digest == desired.firewall.digest:
        return ()
    return (ReplaceFirewall(want=desired.firewall),)


def plan_names(desired: HostDesired, observed: NamesFacts) -> tuple[HostAction, ...]:
    """Return what makes names right again."""
    alive = observed.serving or not desired.names.zones
    if observed.digest == desired.names.digest and alive:
        return ()
    return (PublishNames(want=desired.names),)


def is_reachable(container: Container) -> bool:
    """Tell whether the container's ports are published and its names served: while it runs or is about to.

    Rules are there before the process, so that nobody has to wait for them; and they stay while it is started again.
    """
    match container.status.phase:
        case Phase.RUNNING | Phase.PAUSED | Phase.STOPPING:
            return True
        case Phase.PENDING | Phase.CREATING:
            leaving = container.metadata.deleted_at is not None
            return container.spec.desired is not DesiredState.STOPPED and not leaving
        case Phase.EXITED | Phase.FAILED:
            return False
