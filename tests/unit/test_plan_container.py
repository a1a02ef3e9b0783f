"""A container's planner on whatever may be found: it comes to rest, at the goal, from every prefix of its plans."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from controller.model.container import (
    Container,
    ContainerAssigned,
    ContainerSpec,
    ContainerStatus,
    DesiredState,
    Phase,
)
from controller.model.facts import (
    AttachmentFacts,
    NamespaceFacts,
    ProcessFacts,
    ProcessState,
    RootFacts,
)
from controller.model.ids import Uid
from controller.model.image import Image
from controller.model.layout import Layout
from controller.model.limits import LimitFacts
from controller.model.network import Network
from controller.model.volume import Volume
from controller.plan.container.inputs import ContainerDesired, ContainerObserved
from controller.plan.container.planner import plan_container
from controller.plan.forecast.advance import advance_container
from controller.plan.oci.spec_hash import derive_spec_hash

UID, NETWORK_UID = Uid("a" * 32), Uid("b" * 32)
NOW = datetime(2026, 1, 2, tzinfo=UTC)
EARLIER_S = NOW.timestamp() - 50
LAYOUT = Layout(root_path="/var/lib/hold", run_path="/run/hold", instance="hold")
READY = {"conditions": [{"type": "Ready", "status": "True"}]}
IMAGE = Image.model_validate(
    {
        "metadata": {"name": "web:1"},
        "spec": {"source": {"archive": "/web.tar"}},
        "status": {**READY, "id": "sha256:1", "layers": ["sha256:1", "sha256:2"]},
    }
)
SHOP = Network.model_validate(
    {
        "metadata": {"name": "shop", "uid": NETWORK_UID},
        "assigned": {"subnet": "10.1.0.0/24", "gateway": "10.1.0.1", "bridge": "hold-shop"},
        "status": READY,
    }
)
ASSIGNED = ContainerAssigned.model_validate(
    {"networks": {"shop": {"ipv4": "10.1.0.2", "mac": "02:00:00:00:00:01"}}}
)
LOWER = (LAYOUT.layer_path("sha256:2"), LAYOUT.layer_path("sha256:1"))

specs = st.builds(
    lambda fields: ContainerSpec.model_validate({"image": "web:1", **fields}),
    st.fixed_dictionaries(
        {
            "command": st.sampled_from([["serve"], ["other"]]),
            "networks": st.sampled_from([["shop"], []]),
            "restart": st.sampled_from(["no", "always", "on-failure:2"]),
            "desired": st.sampled_from(["running", "stopped", "paused"]),
            "run": st.integers(0, 2),
            "resources": st.sampled_from([{}, {"memory": 64 << 20, "cpus": 0.5}]),
            "stopGracePeriod": st.sampled_from([0, 10]),
        }
    ),
)
RIGHT_HASH = derive_spec_hash(ContainerSpec(image="web:1", command=("serve",)))
processes = st.builds(
    ProcessFacts,
    uid=st.just(UID),
    state=st.sampled_from(ProcessState),
    pid=st.just(7),
    spec_hash=st.sampled_from([RIGHT_HASH, "other"]),
    run=st.integers(0, 2),
    started_at=st.just(EARLIER_S),
    finished_at=st.just(EARLIER_S + 20),
    exit_code=st.sampled_from([None, 0, 1]),
)
roots = st.builds(
    RootFacts,
    uid=st.just(UID),
    mounted=st.booleans(),
    lower_paths=st.sampled_from([LOWER, ("/stale",)]),
    has_upper=st.just(value=True),
)
links = st.builds(
    AttachmentFacts,
    container=st.just(UID),
    host_link=st.sampled_from(["hvstray", "hvother"]),
    bridge=st.sampled_from(["", "hold-shop"]),
    host_up=st.booleans(),
    inside=st.sampled_from(["", "eth0", "eth1"]),
)
observations = st.builds(
    ContainerObserved,
    process=st.none() | processes,
    root=st.none() | roots,
    namespace=st.none() | st.builds(NamespaceFacts, container=st.just(UID), loopback_up=st.booleans()),
    attachments=st.lists(links, max_size=2, unique_by=lambda link: link.host_link).map(tuple),
    limits=st.none() | st.just(LimitFacts(pids=3)),
    ports_published=st.just(value=True),
)
statuses = st.builds(
    ContainerStatus,
    phase=st.sampled_from(Phase),
    pid=st.sampled_from([0, 7]),
    started_at=st.sampled_from([None, datetime.fromtimestamp(EARLIER_S, tz=UTC)]),
    finished_at=st.sampled_from([None, NOW - timedelta(seconds=30)]),
    exit_code=st.sampled_from([None, 0, 1]),
    restarts=st.integers(0, 3),
    run=st.integers(0, 2),
    spec_hash=st.sampled_from(["", RIGHT_HASH, "other"]),
    error=st.sampled_from(["", "no such program"]),
)


def make_desired(spec: ContainerSpec, status: ContainerStatus, *, deleted: bool) -> ContainerDesired:
    metadata = {"name": "web", "uid": UID, "generation": 2, "deleted_at": NOW if deleted else None}
    container = Container.model_validate(
        {"metadata": metadata, "spec": spec, "assigned": ASSIGNED, "status": status}
    )
    networks = {"shop": SHOP} if spec.networks else {}
    return ContainerDesired(
        container=container,
        spec_hash=derive_spec_hash(spec),
        layout=LAYOUT,
        image=IMAGE,
        networks=networks,
    )


def run_turns(
    desired: ContainerDesired, observed: ContainerObserved, *, cut: int | None = None
) -> tuple[ContainerDesired, ContainerObserved, bool]:
    """Take turns until nothing is to do; tells whether all is gone. `cut` ends the first plan so early, unrecorded."""
    now = NOW
    for _ in range(30):
        plan = plan_container(desired, observed, now)
        actions = plan.actions if cut is None else plan.actions[:cut]
        for action in actions:
            observed = advance_container(observed, action, now)
        if cut is None:
            container = desired.container.model_copy(update={"status": plan.status})
            desired = replace(desired, container=container)
        if cut is None and not plan.actions:
            if plan.requeue_after_s is None:
                return desired, observed, plan.gone
            now += timedelta(seconds=plan.requeue_after_s)
        cut = None
    raise AssertionError(f"does not come to rest: {desired.status}, {observed}")


def assert_goal(desired: ContainerDesired, observed: ContainerObserved, *, gone: bool) -> None:
    """Say on its own what must be true at rest."""
    spec, process = desired.container.spec, observed.process
    assert gone == (desired.container.metadata.deleted_at is not None)
    if gone:
        assert (process, observed.namespace) == (None, None)
        assert observed.root is None or not (observed.root.mounted or observed.root.has_upper)
        return
    assert desired.status.observed_generation == 2
    if spec.desired is DesiredState.STOPPED or process is None:
        assert (process, observed.namespace) == (None, None)
        assert desired.status.phase in (Phase.EXITED, Phase.PENDING, Phase.FAILED)
        assert desired.status.pid == 0
        assert spec.desired is DesiredState.STOPPED or spec.restart.name != "always"
        return
    assert process.state is (
        ProcessState.PAUSED if spec.desired is DesiredState.PAUSED else ProcessState.RUNNING
    )
    assert process.spec_hash == desired.spec_hash
    assert process.run >= spec.run
    assert observed.namespace is not None
    assert observed.namespace.loopback_up
    assert len(observed.attachments) == len(spec.networks)
    assert all(
        (link.bridge, link.addresses) == ("hold-shop", ("10.1.0.2/24",)) for link in observed.attachments
    )
    if observed.limits is not None:
        assert observed.limits.pids is None


@given(specs, statuses, observations, st.booleans())
def test_it_comes_to_rest_at_the_goal(
    spec: ContainerSpec, status: ContainerStatus, observed: ContainerObserved, deleted: bool
) -> None:
    assert_goal_from(make_desired(spec, status, deleted=deleted), observed, cut=None)


@given(specs, statuses, observations, st.booleans(), st.integers(0, 5))
def test_it_does_so_from_every_prefix_of_a_plan(
    spec: ContainerSpec, status: ContainerStatus, observed: ContainerObserved, deleted: bool, cut: int
) -> None:
    assert_goal_from(make_desired(spec, status, deleted=deleted), observed, cut=cut)


def assert_goal_from(desired: ContainerDesired, observed: ContainerObserved, *, cut: int | None) -> None:
    settled, seen, gone = run_turns(desired, observed, cut=cut)
    assert_goal(settled, seen, gone=gone)
    again = plan_container(settled, seen, NOW + timedelta(days=1))
    assert again.actions == ()
    assert again.status == settled.status


@given(specs, statuses, observations)
def test_it_is_deterministic(
    spec: ContainerSpec, status: ContainerStatus, observed: ContainerObserved
) -> None:
    desired = make_desired(spec, status, deleted=False)
    assert plan_container(desired, observed, NOW) == plan_container(desired, observed, NOW)


def test_a_process_whose_making_was_broken_off_is_made_anew() -> None:
    """The daemon was killed while the runtime made it: that is no failure of the program."""
    container = Container.model_validate(
        {"metadata": {"name": "web", "uid": UID}, "spec": {"image": "web:1", "networkMode": "none"}}
    )
    desired = ContainerDesired(container=container, spec_hash="new", layout=LAYOUT, image=IMAGE)
    remains = ProcessFacts(uid=UID, state=ProcessState.STOPPED, finished_at=EARLIER_S)
    plan = plan_container(desired, ContainerObserved(process=remains), NOW)
    assert [action.describe() for action in plan.actions] == ["delete process"]
    assert plan.status == container.status


def test_what_had_no_turn_yet_is_being_made() -> None:
    """So that nobody takes a busy daemon for a volume that can't be had."""
    container = Container.model_validate(
        {
            "metadata": {"name": "web", "uid": UID},
            "spec": {"image": "web:1", "networkMode": "none", "mounts": ["old:/old", "new:/new"]},
        }
    )
    failed = {"conditions": [{"type": "Ready", "status": "False", "reason": "Refused", "message": "no room"}]}
    new = Volume.model_validate({"metadata": {"name": "new"}})
    for status, reason, message in (
        ({}, "BeingMade", "being made: old, new"),
        (failed, "WaitingForVolumes", "not there: old (no room), new"),
    ):
        old = Volume.model_validate({"metadata": {"name": "old"}, "status": status})
        desired = ContainerDesired(
            container=container, spec_hash="x", layout=LAYOUT, image=IMAGE, volumes={"old": old, "new": new}
        )
        ready, *_ = plan_container(desired, ContainerObserved(), NOW).status.conditions
        assert (ready.type, ready.reason, ready.message) == ("Ready", reason, message)


def test_who_gave_a_start_up_is_told_why_it_never_was() -> None:
    waiting = {
        "type": "Ready",
        "status": "False",
        "reason": "WaitingForVolumes",
        "message": "not there: data",
    }
    container = Container.model_validate(
        {
            "metadata": {"name": "web", "uid": UID},
            "spec": {"image": "web:1", "desired": "stopped"},
            "status": {"conditions": [waiting]},
        }
    )
    for _ in range(2):
        desired = ContainerDesired(container=container, spec_hash="x", layout=LAYOUT, image=IMAGE)
        status = plan_container(desired, ContainerObserved(), NOW).status
        (ready,) = status.conditions
        assert (ready.reason, ready.message) == ("Stopped", "it never started: not there: data")
        container = container.model_copy(update={"status": status})
