"""Admission against an independent statement of its goal: nothing twice, all or nothing, the same again is nothing."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.errors import HoldError
from controller.model.attachments import NetworkAttachment
from controller.model.changes import Decision, Draft, Put, Snapshot
from controller.model.container import Container, ContainerSpec
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

network_specs = st.one_of(
    st.builds(
        NetworkSpec,
        subnets=st.sampled_from(
            [(), (), ("10.8.0.0/29",), ("10.8.0.8/29", "fd00:8::/126"), ("10.8.0.0/28",), ("fd00:8::/125",)]
        ),
    ),
    st.just(NetworkSpec(enable_ipv6=True)),
    st.just(NetworkSpec(enable_ipv4=False, enable_ipv6=True)),
)


def _name_of(attachment: object) -> str:
    assert isinstance(attachment, NetworkAttachment)
    return attachment.name


attachments = st.fixed_dictionaries(
    {"name": st.sampled_from(["n0", "n1"])},
    optional={
        "ipv4": st.sampled_from(["10.8.0.2", "10.8.0.3", "10.9.0.10", "10.8.0.1"]),
        "ipv6": st.sampled_from(["fd00:8::2", "fd00:8::3", "fd00:9::2"]),
    },
).map(NetworkAttachment.model_validate)
ports = st.fixed_dictionaries(
    {"containerPort": st.integers(1, 2), "hostPort": st.sampled_from([0, 0, 1, 2, 3, 4])},
    optional={
        "hostIP": st.sampled_from(["127.0.0.1", "10.0.0.1", "0.0.0.0", "::", "fd00::1"]),
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


COVERED = {
    "": {"127.0.0.1", "10.0.0.1", "fd00::1"},
    "0.0.0.0": {"127.0.0.1", "10.0.0.1"},
    "::": {"fd00::1"},
    "127.0.0.1": {"127.0.0.1"},
    "10.0.0.1": {"10.0.0.1"},
    "fd00::1": {"fd00::1"},
}
"""Addresses of the host that a published port takes, as far as they are told apart here."""


def _check_goal(state: Snapshot) -> None:
    """State what must hold of any accepted state, without a look at how admission works."""
    containers = [resource for resource in state.values() if isinstance(resource, Container)]
    networks = {
        resource.metadata.name: resource for resource in state.values() if isinstance(resource, Network)
    }
    _check_subnets(networks)
    addresses: Counter[tuple[str, str]] = Counter()
    published: list[tuple[str, str, int]] = []
    for container in containers:
        assert container.assigned is not None
        assert set(container.assigned.networks) == {each.name for each in container.spec.networks}
        for name, got in container.assigned.networks.items():
            network = networks[name].assigned
            assert network is not None
            for address, subnet, gateway in (
                (got.ipv4, network.subnet, network.gateway),
                (got.ipv6, network.ipv6_subnet, network.ipv6_gateway),
            ):
                assert bool(address) == bool(subnet)
                if address:
                    assert ip_address(address) in ip_network(subnet)
                    assert ip_address(address) != ip_network(subnet)[0]
                    assert address != gateway
                    addresses[name, address] += 1
        for attachment in container.spec.networks:
            place = container.assigned.networks[attachment.name]
            assert attachment.ipv4 in (None, place.ipv4)
            assert attachment.ipv6 in (None, place.ipv6)
        assert len(container.assigned.ports) == len(container.spec.ports)
        for asked, given_port in zip(container.spec.ports, container.assigned.ports, strict=True):
            assert given_port.host_port == (asked.host_port or given_port.host_port) > 0
            assert given_port.model_copy(update={"host_port": 0}) == asked.model_copy(update={"host_port": 0})
            published.append((given_port.protocol, given_port.host_ip, given_port.host_port))
    assert all(count == 1 for count in addresses.values())
    for index, (protocol, address, port) in enumerate(published):
        for other_protocol, other_address, other_port in published[:index]:
            same_socket = (protocol, port) == (other_protocol, other_port)
            assert not (same_socket and COVERED[address] & COVERED[other_address])
        assert (protocol, port) != ("tcp", 1)


def _check_subnets(networks: Mapping[str, Network]) -> None:
    for each in networks.values():
        assert each.assigned is not None
        assert bool(each.assigned.subnet) == each.spec.enable_ipv4
        assert bool(each.assigned.ipv6_subnet) == each.spec.has_ipv6
    for name in ("subnet", "ipv6_subnet"):
        texts = [getattr(each.assigned, name) for each in networks.values()]
        subnets = [ip_network(text) for text in texts if text]
        assert not any(one.overlaps(two) for index, one in enumerate(subnets) for two in subnets[:index])


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
