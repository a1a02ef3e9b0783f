"""What to do for the host as a whole: one set of firewall rules, one set of served names."""

from dataclasses import dataclass

from controller.model.facts import FirewallFacts, NamesFacts
from controller.model.wants import FirewallWant, NamesWant
from controller.plan.base import Plan


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


def plan_host(desired: HostDesired, observed: HostObserved) -> Plan[HostAction, None]:
    """Return what makes rules and names right again; ports first, for they keep clients waiting."""
    actions: list[HostAction] = []
    if observed.firewall.digest != desired.firewall.digest:
        actions.append(ReplaceFirewall(want=desired.firewall))
    served = observed.names.digest == desired.names.digest
    alive = observed.names.serving or not desired.names.zones
    if not (served and alive):
        actions.append(PublishNames(want=desired.names))
    return Plan(actions=tuple(actions), status=None)
