"""Admission against an independent statement of its goal: nothing twice, all or nothing, the same again is nothing."""

from collections import Counter
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.errors import HoldError
from controller.model.changes import Decision, Draft, Put, Snapshot
from controller.model.container import Container, ContainerSpec, NetworkAttachment
from controller.model.facts import HostFacts
from controller.model.ids import Key
from controller.model.kinds import Resource, key_of
from controller.model.network import Network, NetworkSpec
from controller.plan.admission import AdmissionContext, ApplyBatch, decide_apply
from tests.fakes.address_pools import make_pools

HOST = HostFacts(
    routes=("0.0.0.0/0", "10.9.0.0/29"), listeners=frozenset({("tcp", "", 1), ("udp", "127.0.0.1", 2)})
)
POOLS = make_pools("10.9.0.0/26", prefix=29)

network_specs = st.builds(
    NetworkSpec, subnets=st.sampled_from([(), (), ("10.8.0.0/29",), ("10.8.0.8/29",), ("10.8.0.0/28",)])
)


def _name_of(attachment: object) -> str:
    assert isinstance(attachment, NetworkAttachment)
    return attachment.name


attachments = st.fixed_dictionaries(
    {"name": st.sampled_from(["n0", "n1"])},
    optional={"ipv4": st.sampled_from(["10.8.0.2", "10.8.0.3", "10.9.0.10", "10.8.0.1"])},
).map(NetworkAttachment.model_validate)
ports = st.fixed_dictionaries(
    {"containerPort": st.integers(1, 2), "hostPort": st.sampled_from([0, 0, 1, 2, 3, 4])},
    optional={
        "hostIP": st.sampled_from(["127.0.0.1", "10.0.0.1"]),
        "protocol": st.sampled_from(["tcp", "udp"]),
    },
)
container_specs = st.fixed_dictionaries(
    {
        "rootfs": st.just("/"),
        "networks": st.lists(attachments, min_size=1, max_size=2, unique_by=_name_of),
        "ports": st.lists(ports, max_size=3),
        "dependsOn": st.lists(st.sampled_from(["c0", "c1", "c2"]), max_size=1),
    }
).map(ContainerSpec.model_validate)


def _draft(key: Key, spec: NetworkSpec | ContainerSpec) -> Draft:
    return Draft(key=key, spec=spec, labels={}, annotations={})


drafts = st.one_of(
    st.builds(
        lambda number, spec: _draft(Key("Network", f"n{number}"), spec), st.integers(0, 1), network_specs
    ),
    st.builds(
        lambda number, spec: _draft(Key("Container", f"c{number}"), spec), st.integers(0, 4), container_specs
    ),
)
batches = st.lists(drafts, min_size=1, max_size=6, unique_by=lambda draft: draft.key)


def _context(seed: int) -> AdmissionContext:
    return AdmissionContext(now=datetime(2026, 1, 1, tzinfo=UTC), host=HOST, pools=POOLS, seed=str(seed))


def _write(state: Snapshot, decision: Decision) -> dict[Key, Resource]:
    after = dict(state)
    for each in decision.writes:
        assert isinstance(each, Put)
        after[key_of(each.resource)] = each.resource.model_copy(update={"assigned": each.assigned})
    return after


def _check_goal(state: Snapshot) -> None:
    """State what must hold of any accepted state, without a look at how admission works."""
    containers = [resource for resource in state.values() if isinstance(resource, Container)]
    networks = {
        resource.metadata.name: resource for resource in state.values() if isinstance(resource, Network)
    }
    subnets = [IPv4Network(each.assigned.subnet) for each in networks.values() if each.assigned is not None]
    assert len(subnets) == len(networks)
    assert not any(one.overlaps(two) for index, one in enumerate(subnets) for two in subnets[:index])
    addresses: Counter[tuple[str, str]] = Counter()
    published: list[tuple[str, str, int]] = []
    for container in containers:
        assert container.assigned is not None
        assert set(container.assigned.networks) == {each.name for each in container.spec.networks}
        for name, got in container.assigned.networks.items():
            network = networks[name].assigned
            assert network is not None
            inside = list(IPv4Network(network.subnet).hosts())
            assert IPv4Address(got.ipv4) in inside
            assert got.ipv4 != network.gateway
            addresses[name, got.ipv4] += 1
        for each in container.spec.networks:
            assert each.ipv4 in (None, container.assigned.networks[each.name].ipv4)
        assert len(container.assigned.ports) == len(container.spec.ports)
        for asked, given_port in zip(container.spec.ports, container.assigned.ports, strict=True):
            assert given_port.host_port == (asked.host_port or given_port.host_port) > 0
            assert given_port.model_copy(update={"host_port": 0}) == asked.model_copy(update={"host_port": 0})
            published.append((given_port.protocol, given_port.host_ip, given_port.host_port))
    assert all(count == 1 for count in addresses.values())
    for index, (protocol, address, port) in enumerate(published):
        for other_protocol, other_address, other_port in published[:index]:
            same_socket = (protocol, port) == (other_protocol, other_port)
            assert not (same_socket and (not address or not other_address or address == other_address))
        assert (protocol, port) != ("tcp", 1)


@settings(max_examples=150, deadline=None)
@given(st.lists(batches, min_size=1, max_size=5))
def test_every_accepted_state_is_free_of_conflicts(steps: list[list[Draft]]) -> None:
    state: dict[Key, Resource] = {}
    for seed, batch in enumerate(steps):
        before = dict(state)
        try:
            decision = decide_apply(state, ApplyBatch(drafts=batch), _context(seed))
        except HoldError:
            assert state == before
            continue
        assert [outcome.key for outcome in decision.outcomes] == [draft.key for draft in batch]
        assert decision == decide_apply(dict(state), ApplyBatch(drafts=batch), _context(seed))
        state = _write(state, decision)
        _check_goal(state)
        again = decide_apply(state, ApplyBatch(drafts=batch), _context(seed + 1000))
        assert again.writes == ()
        for key, resource in before.items():
            if key not in {draft.key for draft in batch}:
                assert state[key] == resource


@settings(max_examples=60, deadline=None)
@given(st.lists(batches, min_size=2, max_size=2), st.randoms(use_true_random=False))
def test_the_order_of_the_drafts_does_not_decide_what_is_accepted(
    steps: list[list[Draft]], randomness: Random
) -> None:
    state: dict[Key, Resource] = {}
    for seed, batch in enumerate(steps):
        shuffled = list(batch)
        randomness.shuffle(shuffled)
        results = [_attempt(state, order, seed) for order in (batch, shuffled)]
        assert (results[0] is None) == (results[1] is None)
        state = results[0] if results[0] is not None else state


def _attempt(state: Snapshot, batch: list[Draft], seed: int) -> dict[Key, Resource] | None:
    try:
        return _write(state, decide_apply(state, ApplyBatch(drafts=batch), _context(seed)))
    except HoldError:
        return None
