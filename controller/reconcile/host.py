"""The host as a whole: one turn for many changes, since rules and names are replaced all together."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import assert_never

from controller.model.changes import Snapshot
from controller.model.facts import FirewallFacts
from controller.model.ids import Key
from controller.model.layout import Layout
from controller.plan.host import (
    HostAction,
    HostDesired,
    PublishNames,
    ReplaceFirewall,
    derive_host,
    plan_names,
    plan_rules,
)
from controller.plan.names import NamesRenderer
from controller.plan.rules import RulesRenderer
from controller.ports import DesiredState, KernelPorts
from controller.reconcile.publication import Publication

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostResult:
    """How a turn for the host ended: whether it did anything, and the objects whose conditions that changes."""

    acted: bool
    concerned: set[Key]


class HostReconciler:
    """The loop's part for the host.

    Reading rules costs more than all else here, so what is installed is remembered until somebody doubts it.
    """

    def __init__(
        self, kernel: KernelPorts, state: DesiredState, layout: Layout, publication: Publication
    ) -> None:
        self._kernel = kernel
        self._state = state
        self._publication = publication
        self._rules = RulesRenderer(layout.instance)
        self._names = NamesRenderer()
        self._doubts = 0
        self._firewall: FirewallFacts | None = None

    def doubt(self) -> None:
        """Look at the rules themselves at the next turn: somebody may have changed them."""
        self._doubts += 1
        self._firewall = None

    def gather(self, snapshot: Snapshot) -> HostDesired:
        """Return what is wanted of the host."""
        defaults = self._kernel.read_host_texts().defaults
        return derive_host(snapshot, defaults, rules=self._rules, names=self._names)

    async def _observe_rules(self) -> FirewallFacts:
        """Return what is installed."""
        firewall = self._firewall
        if firewall is None:
            doubts = self._doubts
            firewall = await self._kernel.firewall.read()
            self._remember(firewall, doubts)
        return firewall

    def _remember(self, firewall: FirewallFacts, doubts: int) -> None:
        """Take over what is installed, unless it came into doubt since there were `doubts`."""
        if doubts == self._doubts:
            self._firewall = firewall

    async def run(self) -> HostResult:
        """Make rules and names right; rules before anybody asks the name server, for clients wait for ports."""
        snapshot, doubts, in_doubt = self._state.snapshot(), self._doubts, self._firewall is None
        desired = self.gather(snapshot)
        actions = plan_rules(desired, await self._observe_rules())
        await self._apply(actions, doubts)
        further = plan_names(desired, await self._kernel.names.read())
        await self._apply(further, doubts)
        if in_doubt and (inside := desired.names.list_inside()):
            await self._kernel.names.tend(inside)
        if actions or further:
            steps = [action.describe() for action in (*actions, *further)]
            LOG.info("turn", extra={"key": "Host", "steps": steps})
        return HostResult(acted=bool(actions or further), concerned=self._publication.update(snapshot))

    async def _apply(self, actions: Iterable[HostAction], doubts: int) -> None:
        """Carry actions out; there were `doubts` when their turn began to look.

        What is replaced is what was seen then: a change since is not mended by this.
        """
        for action in actions:
            match action:
                case ReplaceFirewall(want=rules):
                    self._firewall = None
                    await self._kernel.firewall.replace(rules)
                    self._remember(FirewallFacts(digest=rules.digest), doubts)
                case PublishNames(want=names):
                    await self._kernel.names.publish(names)
                case _:
                    assert_never(action)
