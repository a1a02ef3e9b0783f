"""The host's turn: what it takes for installed, and when it looks again."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from controller.model.facts import FirewallFacts
from controller.model.layout import Layout
from controller.model.wants import FirewallWant
from controller.reconcile.host import HostReconciler
from controller.reconcile.publication import Publication
from controller.store.store import SqlStore, open_store
from tests.fakes.api_kernel import StillClock
from tests.fakes.kernel import make_ports
from tests.fakes.steps import Steps
from tests.fakes.world import FakeWorld

LAYOUT = Layout(root_path="/root", run_path="/run", instance="hold")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    """A state without any object."""
    async with open_store(f"sqlite:///{tmp_path}/state.db", StillClock()) as empty:
        yield empty


class WatchedFirewall:
    """Counts looks; `meddle` is what somebody else does right after the next one."""

    def __init__(self) -> None:
        self.looks = 0
        self.digest = ""
        self.meddle: Callable[[], None] | None = None

    async def read(self) -> FirewallFacts:
        self.looks += 1
        facts, meddle = FirewallFacts(digest=self.digest), self.meddle
        self.meddle = None
        if meddle is not None:
            meddle()
        return facts

    async def replace(self, want: FirewallWant) -> None:
        self.digest = want.digest

    async def delete(self) -> None:
        self.digest = ""


async def test_rules_at_rest_are_not_looked_at(store: SqlStore) -> None:
    firewall = WatchedFirewall()
    host = make_host(firewall, store)
    assert (await host.run()).acted
    assert not (await host.run()).acted
    assert firewall.looks == 1


async def test_a_change_between_look_and_replacement_is_looked_for(store: SqlStore) -> None:
    """What is replaced follows from what was seen: it mends nothing that somebody did since."""
    firewall = WatchedFirewall()
    host = make_host(firewall, store)
    firewall.meddle = host.doubt
    await host.run()
    await host.run()
    assert firewall.looks == 2


def make_host(firewall: WatchedFirewall, store: SqlStore) -> HostReconciler:
    ports = replace(make_ports(FakeWorld(), Steps()), firewall=firewall)
    return HostReconciler(ports, store, LAYOUT, Publication())
