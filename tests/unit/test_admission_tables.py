"""What admission accepts, what it refuses, and in which words."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pytest

from controller.errors import (
    AlreadyExists,
    Exhausted,
    HoldError,
    InUse,
    Invalid,
    ManagedElsewhere,
    NotFound,
    StaleRevision,
    Unavailable,
)
from controller.model.changes import Decision, Draft, MarkDeleted, Put, Verb
from controller.model.container import Container, ContainerAssigned, ContainerSpec
from controller.model.facts import HostFacts
from controller.model.ids import Key, Uid
from controller.model.image import ImageSpec
from controller.model.kinds import RESOURCE_ADAPTER, Resource, Spec, key_of
from controller.model.network import Network, NetworkAssigned, NetworkSpec
from controller.model.resource import OwnerReference
from controller.model.volume import VolumeSpec
from controller.plan.admission import (
    AddressPool,
    AdmissionContext,
    ApplyBatch,
    Rollback,
    decide_apply,
    decide_delete,
    decide_rollback,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POOL = AddressPool(network="10.192.0.0/16", prefix=22)
State = dict[Key, Resource]


def make_context(
    seed: str = "seed", *, host: HostFacts | None = None, pool: AddressPool = POOL
) -> AdmissionContext:
    return AdmissionContext(now=NOW, host=host or HostFacts(), pool=pool, seed=seed)


def draft(
    kind_and_name: str, spec: Spec | None = None, *, uid: str | None = None, revision: int = 0
) -> Draft:
    kind, _, name = kind_and_name.partition("/")
    resource = RESOURCE_ADAPTER.validate_python(
        {"kind": kind, "metadata": {"name": name, "uid": uid}, "spec": spec if spec is not None else {}}
    )
    stored_uid = resource.metadata.uid
    return Draft(
        key=key_of(resource),
        spec=resource.spec,
        labels={},
        annotations={},
        uid=None if stored_uid is None else _as_uid(stored_uid),
        revision=revision,
    )


def _as_uid(text: str) -> Uid:
    return Uid(text)


def container(name: str, **fields: object) -> Draft:
    spec = ContainerSpec.model_validate({"image": "a", "networks": ["n"], **fields})
    return draft(f"Container/{name}", spec)


def network(name: str, **fields: object) -> Draft:
    return draft(f"Network/{name}", NetworkSpec.model_validate(fields))


def image(name: str = "a") -> Draft:
    return draft(f"Image/{name}", ImageSpec.model_validate({"source": {"archive": "/a.tar"}}))


def write(state: Mapping[Key, Resource], decision: Decision) -> State:
    """Return the state after the decision, as a store would keep it."""
    after = dict(state)
    for each in decision.writes:
        if isinstance(each, Put):
            after[key_of(each.resource)] = each.resource.model_copy(update={"assigned": each.assigned})
        elif isinstance(each, MarkDeleted):
            resource = after[each.key]
            metadata = resource.metadata.model_copy(update={"deleted_at": NOW})
            after[each.key] = resource.model_copy(update={"metadata": metadata})
    return after


def apply(state: Mapping[Key, Resource], *drafts: Draft, context: AdmissionContext | None = None) -> State:
    return write(state, decide_apply(state, ApplyBatch(drafts=drafts), context or make_context()))


def assigned_of(state: State, name: str) -> ContainerAssigned:
    resource = state[Key("Container", name)]
    assert isinstance(resource, Container)
    assert resource.assigned is not None
    return resource.assigned


BASE = apply(
    {},
    image(),
    network("n", subnets=["10.77.0.0/29"]),
    network("auto"),
    draft("Volume/data", VolumeSpec()),
    container("web", ports=["8080:80", "81"], mounts=["data:/data"]),
    container("back", dependsOn=["web"]),
)

HOST = HostFacts(
    routes=("0.0.0.0/0", "192.168.0.0/16"),
    listeners=frozenset({("tcp", "", 22), ("tcp", "127.0.0.1", 631), ("udp", "", 53)}),
    link_names=frozenset({"eth0"}),
)

REFUSED: Sequence[tuple[str, Sequence[Draft], type[HoldError], str]] = [
    ("missing image", [container("x", image="b")], Invalid, "Container/x: spec.image: Image/b:latest does not exist; did you mean a:latest?"),
    ("missing network", [container("x", networks=["n", "aut"])], Invalid, "Container/x: spec.networks[1].name: Network/aut does not exist; did you mean auto?"),
    ("missing volume", [container("x", mounts=["dat:/d"])], Invalid, "Container/x: spec.mounts[0].source: Volume/dat does not exist; did you mean data?"),
    ("missing dependency", [container("x", dependsOn=["wab"])], Invalid, "Container/x: spec.dependsOn.wab: Container/wab does not exist; did you mean web?"),
    ("cycle", [container("web", dependsOn=["x"]), container("x", dependsOn=["back"])], Invalid, "dependencies form a cycle: web -> x -> back -> web"),
    ("depends on itself", [container("x", dependsOn=["x"])], Invalid, "dependencies form a cycle: x -> x"),
    ("twice", [container("x"), container("x")], Invalid, "Container/x: is in the batch twice"),
    ("bad image name", [image("a b")], Invalid, "is not a name: use 1 to 256"),
    ("overlap with a network", [network("x", subnets=["10.77.0.0/24"])], AlreadyExists, "Network/x: spec.subnets[0]: 10.77.0.0/24 overlaps 10.77.0.0/29 of Network/n"),
    ("overlap in the batch", [network("x", subnets=["10.1.0.0/24"]), network("y", subnets=["10.1.0.0/16"])], AlreadyExists, "Network/y: spec.subnets[0]: 10.1.0.0/16 overlaps 10.1.0.0/24 of Network/x"),
    ("overlap with the host", [network("x", subnets=["192.168.7.0/24"])], AlreadyExists, "192.168.7.0/24 overlaps 192.168.0.0/16, which the host has a route to"),
    ("foreign bridge", [network("x", bridgeName="eth0")], AlreadyExists, "Network/x: spec.bridgeName: the host has a link eth0 that is not hold's"),
    ("bridge of another", [network("x", bridgeName="br"), network("y", bridgeName="br")], AlreadyExists, "bridge br is that of Network/x"),
    ("outside", [container("x", networks=[{"name": "n", "ipv4": "10.78.0.2"}])], Invalid, "Container/x: spec.networks[0].ipv4: 10.78.0.2 is outside the subnet 10.77.0.0/29 of Network/n"),
    ("broadcast", [container("x", networks=[{"name": "n", "ipv4": "10.77.0.7"}])], Invalid, "10.77.0.7 is reserved"),
    ("gateway", [container("x", networks=[{"name": "n", "ipv4": "10.77.0.1"}])], Invalid, "10.77.0.1 is reserved: it is the gateway"),
    ("address taken", [container("x", networks=[{"name": "n", "ipv4": "10.77.0.2"}])], AlreadyExists, "10.77.0.2 is taken by Container/web"),
    ("address twice", [container(name, networks=[{"name": "n", "ipv4": "10.77.0.6"}]) for name in "xy"], AlreadyExists, "Container/y: spec.networks[0].ipv4: 10.77.0.6 is taken by Container/x"),
    ("MAC twice", [container(name, networks=[{"name": "n", "mac": "02:00:00:00:00:01"}]) for name in "xy"], AlreadyExists, "02:00:00:00:00:01 is taken by Container/x"),
    ("MAC of many", [container("x", networks=[{"name": "n", "mac": "01:00:00:00:00:01"}])], Invalid, "is a multicast address"),
    ("full subnet", [container(f"x{number}") for number in range(6)], Exhausted, "subnet 10.77.0.0/29 of Network/n has no free address"),
    ("port taken", [container("x", ports=["8080:1"])], AlreadyExists, "Container/x: spec.ports[0].hostPort: host port 8080/tcp is taken by Container/web"),
    ("port taken on one address", [container("x", ports=["1:1", "127.0.0.1:8080:1"])], AlreadyExists, "Container/x: spec.ports[1].hostPort: host port 127.0.0.1:8080/tcp is taken by Container/web"),
    ("port twice", [container("x", ports=["1:1", "1:2"])], Invalid, "Container/x: spec.ports[1].hostPort: host port 1/tcp is published twice"),
    ("foreign listener", [container("x", ports=["22:22"])], AlreadyExists, "host port 22/tcp is taken by a process of the host"),
    ("foreign listener on one address", [container("x", ports=["631:1"])], AlreadyExists, "host port 631/tcp is taken by a process of the host"),
    ("subnet of a network in use", [network("n", subnets=["10.78.0.0/24"])], InUse, "Network/n: spec.subnets: can't change while Container/back, Container/web use the network"),
    ("wrong uid", [draft("Network/auto", NetworkSpec(), uid="0" * 32)], StaleRevision, "the object was replaced, read it again"),
    ("uid of what is gone", [draft("Network/x", NetworkSpec(), uid="0" * 32)], NotFound, "does not exist any more"),
    ("wrong revision", [draft("Network/auto", NetworkSpec(), revision=9)], StaleRevision, "the object was written since, read it again"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("drafts", "error", "message"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_refused(drafts: Sequence[Draft], error: type[HoldError], message: str) -> None:
    with pytest.raises(error) as caught:
        apply(BASE, *drafts, context=make_context(host=HOST))
    assert type(caught.value) is error
    assert message in caught.value.message
    assert message in "\n".join(str(violation) for violation in caught.value.violations)


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(Invalid) as caught:
        apply(BASE, container("x", image="b", ports=["8080:1"]), container("y", dependsOn=["z"]))
    assert [violation.field for violation in caught.value.violations] == [
        "Container/x: spec.image",
        "Container/y: spec.dependsOn.z",
        "Container/x: spec.ports[0].hostPort",
    ]


def test_applying_again_is_unchanged() -> None:
    drafts = [container("web", ports=["8080:80", "81"], mounts=["data:/data"]), network("auto"), image()]
    decision = decide_apply(BASE, ApplyBatch(drafts=drafts), make_context("other", host=HOST))
    assert [outcome.verb for outcome in decision.outcomes] == [Verb.UNCHANGED] * 3
    assert decision.writes == ()


def test_defaults_are_spelled_out_once() -> None:
    state = apply(BASE, network("bridge"), draft("Container/x", ContainerSpec(image="a")))
    spec = state[Key("Container", "x")].spec
    assert isinstance(spec, ContainerSpec)
    assert spec.image == "a:latest"
    assert [attachment.name for attachment in spec.networks] == ["bridge"]
    batch = ApplyBatch(drafts=[draft("Container/x", ContainerSpec(image="a"))])
    assert decide_apply(state, batch, make_context()).writes == ()


def test_a_manifest_does_not_lower_the_run() -> None:
    state = apply(BASE, container("x", run=3))
    assert decide_apply(state, ApplyBatch(drafts=[container("x")]), make_context()).writes == ()


def test_what_was_assigned_stays() -> None:
    before = assigned_of(BASE, "web")
    state = apply(
        BASE, container("web", ports=["82", "9090:80", "81"], networks=["auto", "n"], command=["x"])
    )
    after = assigned_of(state, "web")
    assert after.networks["n"] == before.networks["n"]
    assert after.ports[2] == before.ports[1]
    assert [port.container_port for port in after.ports] == [82, 80, 81]


def test_containers_of_one_batch_can_swap_addresses() -> None:
    def fixed(name: str, address: str) -> Draft:
        return container(name, networks=[{"name": "n", "ipv4": address}])

    state = apply(BASE, fixed("x", "10.77.0.5"), fixed("y", "10.77.0.6"))
    state = apply(state, fixed("x", "10.77.0.6"), fixed("y", "10.77.0.5"))
    assert assigned_of(state, "x").networks["n"].ipv4 == "10.77.0.6"


def test_a_random_port_avoids_listeners() -> None:
    state = apply(BASE, container("x", ports=["80"]))
    port = assigned_of(state, "x").ports[0].host_port
    host = HostFacts(listeners=frozenset({("tcp", "", port)}))
    other = apply(BASE, container("x", ports=["80"]), context=make_context(host=host))
    assert assigned_of(other, "x").ports[0].host_port not in (0, port)


def test_an_unused_network_moves() -> None:
    batch = ApplyBatch(drafts=[network("auto", subnets=["10.5.0.0/24"])])
    decision = decide_apply(BASE, batch, make_context())
    assert decision.outcomes[0].verb is Verb.RECREATE
    assert decision.outcomes[0].because == ("spec.subnets", "spec.gateway")
    moved = write(BASE, decision)[Key("Network", "auto")]
    assert isinstance(moved, Network)
    assert isinstance(moved.assigned, NetworkAssigned)
    assert moved.assigned.gateway == "10.5.0.1"
    assert moved.metadata.uid == BASE[Key("Network", "auto")].metadata.uid


def test_a_full_pool_is_exhausted() -> None:
    pool = AddressPool(network="10.192.0.0/23", prefix=24)
    with pytest.raises(Exhausted, match=r"address pool 10\.192\.0\.0/23 has no free subnet of /24"):
        apply({}, network("a"), network("b"), network("c"), context=make_context(pool=pool))


@pytest.mark.parametrize(
    ("fields", "verb", "because"),
    [
        ({"image": "a", "command": ["x"]}, Verb.RECREATE, ("spec.command",)),
        ({"environment": {"A": "1"}, "tty": True}, Verb.RECREATE, ("spec.environment", "spec.tty")),
        ({"resources": {"memory": "64MiB"}}, Verb.UPDATE, ()),
        ({"ports": ["5:5"], "restart": "always", "desired": "stopped"}, Verb.UPDATE, ()),
    ],
)
def test_the_verb_tells_whether_the_process_survives(
    fields: dict[str, object], verb: Verb, because: tuple[str, ...]
) -> None:
    state = apply(BASE, container("x"))
    decision = decide_apply(state, ApplyBatch(drafts=[container("x", **fields)]), make_context())
    assert (decision.outcomes[0].verb, decision.outcomes[0].because) == (verb, because)


def test_another_managers_object_needs_force() -> None:
    drafts = [container("web", command=["x"])]
    with pytest.raises(ManagedElsewhere, match="is managed by cli") as caught:
        decide_apply(BASE, ApplyBatch(drafts=drafts, manager="shop"), make_context())
    assert caught.value.manager == "cli"
    state = write(
        BASE, decide_apply(BASE, ApplyBatch(drafts=drafts, manager="shop", force=True), make_context())
    )
    assert state[Key("Container", "web")].metadata.manager == "shop"


def test_prune_deletes_the_managers_own_alone() -> None:
    mine = ApplyBatch(
        drafts=[draft("Volume/one", VolumeSpec()), draft("Volume/two", VolumeSpec())], manager="shop"
    )
    state = write(BASE, decide_apply(BASE, mine, make_context()))
    fewer = ApplyBatch(drafts=mine.drafts[:1], manager="shop", prune=True)
    decision = decide_apply(state, fewer, make_context())
    assert decision.writes == (MarkDeleted(key=Key("Volume", "two")),)


def test_a_renamed_container_takes_over_ports_and_addresses() -> None:
    def named(name: str) -> Draft:
        return container(name, ports=["7070:80"], networks=[{"name": "n", "ipv4": "10.77.0.6"}])

    state = write(BASE, decide_apply(BASE, ApplyBatch(drafts=[named("old")], manager="shop"), make_context()))
    batch = ApplyBatch(drafts=[named("new")], manager="shop", prune=True)
    state = write(state, decide_apply(state, batch, make_context()))
    assert assigned_of(state, "new").ports[0].host_port == 7070
    del state[Key("Container", "new")]
    with pytest.raises(Unavailable, match="Container/old, which is being deleted"):
        apply(state, named("third"))


def test_create_volumes_makes_what_is_missing() -> None:
    batch = ApplyBatch(drafts=[container("x", mounts=["new:/d", "data:/e"])], create_volumes=True)
    decision = decide_apply(BASE, batch, make_context())
    assert [(outcome.key.name, outcome.verb) for outcome in decision.outcomes] == [
        ("x", Verb.CREATE),
        ("new", Verb.CREATE),
    ]
    assert [key_of(each.resource).kind for each in decision.writes if isinstance(each, Put)] == [
        "Volume",
        "Container",
    ]


def test_what_is_being_deleted_can_not_be_written_until_it_is_gone() -> None:
    state = write(BASE, decide_delete(BASE, [Key("Container", "back")]))
    with pytest.raises(Unavailable, match="apply it again when it is gone"):
        apply(state, container("back"))
    del state[Key("Container", "back")]
    assert Key("Container", "back") in apply(state, container("back"))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (["Network/n"], "Network/n: is used by Container/back, Container/web: remove them first"),
        (["Volume/data"], "Volume/data: is used by Container/web"),
        (["Image/a"], "Image/a:latest: is used by Container/back, Container/web"),
        (["Container/web"], "Container/web: is used by Container/back"),
    ],
)
def test_what_is_used_is_not_deleted(keys: list[str], message: str) -> None:
    with pytest.raises(InUse) as caught:
        decide_delete(BASE, [draft_key(text) for text in keys])
    assert message in caught.value.message


def draft_key(text: str) -> Key:
    kind, _, name = text.partition("/")
    return next(Key(known.kind, name) for known in BASE if known.kind == kind)


def test_cascade_takes_the_users_along() -> None:
    decision = decide_delete(BASE, [Key("Network", "n")], cascade=True)
    assert [each.key.name for each in decision.writes if isinstance(each, MarkDeleted)] == [
        "back",
        "web",
        "n",
    ]


def test_deleting_needs_the_object_and_its_manager() -> None:
    with pytest.raises(NotFound, match="Container/wab: does not exist; did you mean web"):
        decide_delete(BASE, [Key("Container", "wab")])
    with pytest.raises(ManagedElsewhere):
        decide_delete(BASE, [Key("Container", "back")], manager="shop")
    assert decide_delete(BASE, [Key("Container", "back")], manager="shop", force=True).writes


def test_deleting_again_is_unchanged() -> None:
    state = write(BASE, decide_delete(BASE, [Key("Container", "back")]))
    decision = decide_delete(state, [Key("Container", "back")])
    assert (decision.outcomes[0].verb, decision.writes) == (Verb.UNCHANGED, ())


def test_children_follow_their_owner() -> None:
    state = apply(BASE, container("child"))
    owner = OwnerReference(
        kind="Container", name="back", uid=BASE[Key("Container", "back")].metadata.uid or ""
    )
    child = state[Key("Container", "child")]
    metadata = child.metadata.model_copy(update={"owner": owner})
    state[Key("Container", "child")] = child.model_copy(update={"metadata": metadata})
    decision = decide_delete(state, [Key("Container", "back")])
    assert [outcome.key.name for outcome in decision.outcomes] == ["back", "child"]


def test_a_grace_period_is_written_before_the_deletion() -> None:
    decision = decide_delete(BASE, [Key("Container", "back")], grace_period_s=1.5)
    put, mark = decision.writes
    assert isinstance(put, Put)
    assert isinstance(put.resource, Container)
    assert put.resource.spec.stop_grace_period_s == 1.5
    assert mark == MarkDeleted(key=Key("Container", "back"))


def test_rollback_returns_to_the_last_other_design() -> None:
    first = _generation(apply(BASE, container("x", command=["one"])), 1)
    second = _generation(apply(BASE, container("x", command=["two"])), 2)
    third = _generation(apply(BASE, container("x", command=["two"], desired="stopped", run=4)), 3)
    state = {**BASE, Key("Container", "x"): third}
    rollback = Rollback(key=Key("Container", "x"), history=(third, second, first))
    decision = decide_rollback(state, rollback, make_context())
    spec = write(state, decision)[Key("Container", "x")].spec
    assert isinstance(spec, ContainerSpec)
    assert (spec.command, spec.desired, spec.run) == (("one",), "stopped", 4)
    with pytest.raises(NotFound, match="no generation 9; kept are 3, 2, 1"):
        decide_rollback(
            state, Rollback(key=rollback.key, history=rollback.history, generation=9), make_context()
        )
    with pytest.raises(NotFound, match="no earlier spec"):
        decide_rollback(state, Rollback(key=rollback.key, history=(third, second)), make_context())


def _generation(state: State, number: int) -> Resource:
    resource = state[Key("Container", "x")]
    return resource.model_copy(
        update={"metadata": resource.metadata.model_copy(update={"generation": number})}
    )
