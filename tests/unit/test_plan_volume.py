"""What is done for a volume, by what it is used for and what is there."""

from dataclasses import replace

import pytest

from controller.errors import Exhausted, HoldError, Refused
from controller.model.changes import Snapshot
from controller.model.container import Container, Phase
from controller.model.ids import Uid
from controller.model.kinds import Resource, key_of
from controller.model.layout import Layout
from controller.model.resource import find_condition
from controller.model.volume import Volume
from controller.model.wants import VolumeWant
from controller.plan.container.actions import MountVolume, PrefillVolume
from controller.plan.container.inputs import gather_container
from controller.plan.container.status import derive_failure
from controller.plan.volume import VolumeDesired, VolumeObserved, gather_volume, name_users, plan_volume
from tests.unit.test_plan_prune import NOW, make

LAYOUT = Layout(root_path="/r", run_path="/x", instance="test")
TMPFS = {"driverOptions": {"type": "tmpfs", "device": "tmpfs"}}
READY = {"conditions": [{"type": "Ready", "status": "True", "reason": "Present"}]}
RUNS = {"phase": "Running", "pid": 7}
DATA = make("Volume/data", status=READY)
COPY = make("Volume/copy", spec={"source": {"volume": "data"}})


def _container(name: str, *, status: dict[str, object] | None = None, **spec: object) -> Resource:
    fields = {"image": "a:1", "mounts": ["data:/data"], **spec}
    return make(f"Container/{name}", spec=fields, status=status or RUNS)


def _gather(volume: Resource, *others: Resource) -> VolumeDesired:
    snapshot: Snapshot = {key_of(each): each for each in (volume, *others)}
    assert isinstance(volume, Volume)
    users = [each.metadata.name for each in others if isinstance(each, Container)]
    return gather_volume(snapshot, volume, users, LAYOUT)


def _list_steps(desired: VolumeDesired, observed: VolumeObserved) -> list[str]:
    return [action.describe() for action in plan_volume(desired, observed, NOW).actions]


def test_a_missing_one_is_made() -> None:
    assert _list_steps(_gather(make("Volume/data")), VolumeObserved()) == ["make volume directory"]


def test_a_copy_holds_still_whoever_writes() -> None:
    desired = _gather(
        COPY,
        DATA,
        _container("writer"),
        _container("through", mounts=[], volumesFrom=["writer"]),
        _container("reader", mounts=["data:/data:ro"]),
        _container("paused", desired="paused"),
        _container("ended", status={"phase": "Exited"}),
    )
    assert _list_steps(desired, VolumeObserved()) == ["copy volume data, 2 containers paused"]
    assert _list_steps(desired, VolumeObserved(present=True)) == []


def test_a_copy_made_live_pauses_nobody() -> None:
    live = make("Volume/copy", spec={"source": {"volume": "data", "pause": False}})
    assert _list_steps(_gather(live, DATA, _container("web")), VolumeObserved()) == ["copy volume data"]


@pytest.mark.parametrize("others", [(), (make("Volume/data"),)])
def test_a_copy_waits_for_what_it_is_of(others: tuple[Resource, ...]) -> None:
    plan = plan_volume(_gather(COPY, *others), VolumeObserved(), NOW)
    ready = find_condition(plan.status, "Ready")
    assert plan.actions == ()
    assert ready is not None
    assert (ready.reason, ready.message) == (
        "WaitingForVolumes",
        "volume data, which is to be copied, is not there",
    )


def test_what_nobody_needs_is_unmounted() -> None:
    memory = make("Volume/data", spec=TMPFS, status=READY)
    mounted = VolumeObserved(present=True, mounted=True)
    assert _list_steps(_gather(memory), mounted) == ["unmount volume"]
    assert _list_steps(_gather(memory, _container("web")), mounted) == []
    resting = _container("web", status={"phase": "Exited", "observed_generation": 1})
    assert _list_steps(_gather(memory, resting), mounted) == ["unmount volume"]
    busy = plan_volume(_gather(memory, resting), replace(mounted, parts=1), NOW)
    assert (busy.actions, busy.requeue_after_s) == ((), 0.2)


def test_a_deleted_one_is_unmounted_first() -> None:
    doomed = make("Volume/data", spec=TMPFS, deleted_at=NOW)
    mounted = VolumeObserved(present=True, mounted=True)
    assert _list_steps(_gather(doomed, _container("web")), mounted) == []
    assert _list_steps(_gather(doomed), mounted) == ["unmount volume", "delete volume directory"]
    assert plan_volume(_gather(doomed), VolumeObserved(), NOW).gone


def test_who_uses_a_volume() -> None:
    others = (
        _container("web"),
        _container("through", mounts=[], volumesFrom=["web"]),
        _container("none", mounts=[]),
    )
    snapshot = {key_of(each): each for each in (DATA, *others)}
    assert name_users(snapshot, "data") == ("web", "through")


@pytest.mark.parametrize("error", [Refused("no such server"), Exhausted("disk full")])
def test_a_volume_that_can_not_be_used_fails_the_start(error: HoldError) -> None:
    """Only a disk that is full may be less so in a moment."""
    memory = make("Volume/data", spec=TMPFS, status=READY)
    web = _container("web", status={"phase": "Creating"})
    assert isinstance(web, Container)
    desired = gather_container({key_of(each): each for each in (memory, web)}, web, LAYOUT)
    want = VolumeWant(uid=Uid(memory.metadata.uid or ""))
    fill = PrefillVolume(volume=want, volume_name="data", source=desired.root, path="/data")
    for action in (MountVolume(volume=want, volume_name="data"), fill):
        status = derive_failure(desired, action, error, NOW)
        ready = find_condition(status, "Ready")
        assert ready is not None
        assert error.message in ready.message
        assert (status.phase is Phase.FAILED) is isinstance(error, Refused)
