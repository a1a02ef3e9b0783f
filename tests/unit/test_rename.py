"""Another name for a container that goes on: decided, written, and while its loop is at work."""

from pathlib import Path

import pytest

from controller.errors import AlreadyExists, HoldError, InUse, Invalid, ManagedElsewhere, NotFound
from controller.model.changes import ChangeType, Verb
from controller.model.container import ContainerAssigned, Phase
from controller.model.ids import Key
from controller.model.ports import PortMapping
from controller.plan.admission import ApplyBatch, decide_apply
from controller.plan.admission.rename import decide_rename
from controller.store.database import derive_url
from controller.store.store import open_store
from tests.fakes.api_kernel import StillClock
from tests.fakes.scenarios import WEB
from tests.fakes.simulation import Simulation, draft_container, draft_shop, simulate
from tests.fakes.virtual_time import VirtualLoop, run_virtually
from tests.unit.admission_scenario import BASE, container, make_context, write
from tests.unit.test_store_basics import deciding, make_container, make_uid, take

BACK, MIDDLE = Key("Container", "back"), Key("Container", "middle")


def test_the_outcome_is_under_the_new_name() -> None:
    decision = decide_rename(BASE, BACK, "middle")
    assert [(each.key, each.verb) for each in decision.outcomes] == [(MIDDLE, Verb.UPDATE)]
    assert [each.path for each in decision.outcomes[0].changes] == ["metadata.name"]
    assert decide_rename(BASE, BACK, "back").writes == ()


@pytest.mark.parametrize(
    ("key", "name", "error", "message"),
    [
        (Key("Container", "web"), "front", InUse, "is named by Container/back"),
        (BACK, "web", AlreadyExists, "name 'web' is in use"),
        (BACK, "no name", Invalid, "'no name' is not a name"),
        (BACK, "", Invalid, "'' is not a name"),
        (Key("Container", "nobody"), "x", NotFound, "does not exist"),
    ],
)
def test_refused(key: Key, name: str, error: type[HoldError], message: str) -> None:
    with pytest.raises(error) as caught:
        decide_rename(BASE, key, name)
    assert message in caught.value.message


def test_what_a_manifest_declares_keeps_its_name() -> None:
    batch = ApplyBatch(drafts=(container("site"),), manager="site")
    state = write(BASE, decide_apply(BASE, batch, make_context()))
    with pytest.raises(ManagedElsewhere):
        decide_rename(state, Key("Container", "site"), "other")


async def test_everything_of_an_object_goes_along(tmp_path: Path) -> None:
    url = derive_url(str(tmp_path / "hold.db"))
    assigned = ContainerAssigned(ports=(PortMapping(host_port=81, container_port=80),))
    async with open_store(url, StillClock()) as store:
        await store.commit(deciding(make_container("back", 1, image="a:1", assigned=assigned)))
        await store.commit(deciding(make_container("back", 1, image="a:2", assigned=assigned)))
        before = store.snapshot()[BACK]
        revision = store.revision()
        await store.commit(lambda snapshot: decide_rename(snapshot, BACK, "middle"))
        changes = await take(store.watch(revision), 2)
        assert [(each.type, each.resource.metadata.name) for each in changes] == [
            (ChangeType.DELETED, "back"),
            (ChangeType.ADDED, "middle"),
        ]
        await store.commit(deciding(make_container("back", 2)))
        assert [each.metadata.generation for each in await store.history(BACK)] == [1]
        with pytest.raises(AlreadyExists):
            await store.commit(deciding(make_container("other", 3, assigned=assigned)))
    async with open_store(url, StillClock()) as store:
        after = store.snapshot()[MIDDLE]
        metadata = before.metadata.model_copy(update={"name": "middle", "revision": revision + 2})
        assert after == before.model_copy(update={"metadata": metadata})
        assert after.metadata.uid == make_uid(1)
        assert [each.metadata.generation for each in await store.history(MIDDLE)] == [2, 1]


@pytest.mark.parametrize("after_s", [0.0, 0.001, 0.004, 0.008, 0.016, 0.032, 0.064, 5.0])
def test_a_rename_at_any_moment_makes_no_second_process(tmp_path: Path, after_s: float) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with simulate(loop, tmp_path) as sim:
            sim.boot()
            await sim.apply(*draft_shop(), draft_container("web", restart="always"))
            await sim.settle(after_s)
            uid = sim.container("web").metadata.uid
            await _rename(sim, "front")
            await sim.settle()
            renamed = sim.container("front")
            assert (renamed.metadata.uid, renamed.status.phase) == (uid, Phase.RUNNING)
            assert WEB not in sim.store.snapshot()
            assert sim.steps.calls.count("processes.start") == 1
            assert sim.faults() == []

    run_virtually(main)


async def _rename(sim: Simulation, name: str) -> None:
    with sim.loop.waiting_for_thread():
        await sim.store.commit(lambda snapshot: decide_rename(snapshot, WEB, name))
