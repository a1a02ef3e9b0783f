"""What admission makes of a batch that it accepts."""

import pytest

from controller.errors import (
    Exhausted,
    Invalid,
    ManagedElsewhere,
    NotFound,
    Unavailable,
)
from controller.model.changes import Draft, MarkDeleted, Put, Verb
from controller.model.container import ContainerSpec
from controller.model.facts import HostFacts
from controller.model.ids import Key
from controller.model.kinds import Resource, key_of
from controller.model.network import Network, NetworkAssigned
from controller.model.volume import VolumeSpec
from controller.plan.admission import (
    ApplyBatch,
    Rollback,
    decide_apply,
    decide_delete,
    decide_rollback,
)
from tests.fakes.address_pools import make_pools
from tests.unit.admission_scenario import (
    BASE,
    HOST,
    State,
    apply,
    assigned_of,
    container,
    draft,
    image,
    make_context,
    network,
    write,
)


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(Invalid) as caught:
        apply(
            BASE,
            container("x", image="b", pullPolicy="never", ports=["8080:1"]),
            container("y", dependsOn=["z"]),
        )
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
    pools = make_pools("10.192.0.0/23")
    with pytest.raises(Exhausted, match=r"address pool 10\.192\.0\.0/23 has no free subnet of /24"):
        apply({}, network("a"), network("b"), network("c"), context=make_context(pools=pools))


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


def test_addresses_come_from_the_range_around_what_is_reserved() -> None:
    part = network(
        "part",
        subnets=["10.90.0.0/24"],
        ipRange="10.90.0.0/29",
        reservedAddresses={"router": "10.90.0.1", "printer": "10.90.0.3"},
    )
    state = apply(BASE, part, *(container(name, networks=["part"]) for name in ("x", "y")))
    state = apply(state, container("z", networks=[{"name": "part", "ipv4": "10.90.0.200"}]))
    gateway = state[Key("Network", "part")].assigned
    assert isinstance(gateway, NetworkAssigned)
    assert gateway.gateway == "10.90.0.2"
    found = {name: assigned_of(state, name).networks["part"].ipv4 for name in ("x", "y", "z")}
    assert found == {"x": "10.90.0.4", "y": "10.90.0.5", "z": "10.90.0.200"}


def test_nobody_gets_the_address_of_a_router_without_naming_it() -> None:
    routed = network("routed", subnets=["10.91.0.0/24"], defaultGateway="10.91.0.2")
    state = apply(BASE, routed, container("x", networks=["routed"]))
    state = apply(state, container("router", networks=[{"name": "routed", "ipv4": "10.91.0.2"}]))
    found = {name: assigned_of(state, name).networks["routed"].ipv4 for name in ("x", "router")}
    assert found == {"x": "10.91.0.3", "router": "10.91.0.2"}


def test_a_port_of_a_range_is_the_first_free_one_and_stays() -> None:
    host = HostFacts(listeners=frozenset({("tcp", "", 7001)}))
    context = make_context(host=host)
    drafts = [container(name, ports=["7000-7003:80"]) for name in ("x", "y")]
    state = apply(BASE, *drafts, container("z", ports=["7000:90"]), context=context)
    found = {name: assigned_of(state, name).ports[0].host_port for name in ("x", "y", "z")}
    assert found == {"x": 7002, "y": 7003, "z": 7000}
    again = apply(state, container("y", ports=["7001-7003:80", "7003:80/udp"]))
    assert [port.host_port for port in assigned_of(again, "y").ports] == [7003, 7003]
    moved = apply(state, container("y", ports=["7010-7011:80"]))
    assert [port.host_port for port in assigned_of(moved, "y").ports] == [7010]


def test_a_container_of_the_batch_gives_up_what_is_reserved_now() -> None:
    reserved = network("n", subnets=["10.77.0.0/29"], reservedAddresses={"r": "10.77.0.2"})
    state = apply(BASE, reserved, container("web", ports=["8080:80"]))
    assert assigned_of(state, "web").networks["n"].ipv4 not in ("", "10.77.0.2")


def test_who_gets_an_address_next_has_its_mac() -> None:
    first = apply(BASE, container("x", networks=["auto", "n"]))
    without = {key: each for key, each in first.items() if key.name != "x"}
    second = apply(without, container("y", networks=["n", "auto"]))
    ours, theirs = assigned_of(first, "x").networks, assigned_of(second, "y").networks
    assert ours == theirs
    assert ours["n"].mac != ours["auto"].mac
    named = apply(without, container("z", networks=[{"name": "auto", "mac": ours["n"].mac}]))
    assert assigned_of(apply(named, container("y", networks=["n"])), "y").networks["n"].mac != ours["n"].mac
