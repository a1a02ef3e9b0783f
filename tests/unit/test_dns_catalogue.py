"""What the name server knows, told change by change, is what it would know if it were told all at once."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.kernel.names import dns
from controller.kernel.names.dns_catalogue import Catalogue, Entry, Host
from controller.kernel.names.name_server_change import render_change
from controller.model.ids import Uid
from controller.model.wants import NamedHost, NamesWant, Zone

NETWORKS = ("n1", "n2", "n3")
CONTAINERS = ("c1", "c2", "c3", "c4")
NAMES = st.lists(st.sampled_from(["web", "Web", "db", "www", "a.b"]), min_size=1, max_size=3, unique=True)


@st.composite
def zones(draw: st.DrawFn) -> tuple[Zone, ...]:
    """Zones with containers, each address of a network used once."""
    found = []
    for number, network in enumerate(NETWORKS):
        if draw(st.booleans()):
            continue
        hosts = []
        addresses = draw(st.permutations(range(2, 9)))
        for container in CONTAINERS:
            if draw(st.booleans()):
                own = (f"10.{number}.0.{addresses.pop()}", f"fd00:{number}::{addresses[0]}:{container[1]}")
                names = tuple(draw(NAMES))
                upstreams = draw(st.sampled_from([(), ("9.9.9.9",)]))
                hosts.append(
                    NamedHost(container=Uid(container), addresses=own, names=names, upstreams=upstreams)
                )
        internal = draw(st.booleans())
        gateways = (f"10.{number}.0.1",) + ((f"fd00:{number}::1",) if draw(st.booleans()) else ())
        found.append(
            Zone(
                network=Uid(network),
                network_name=network,
                gateways=gateways,
                subnets=(f"10.{number}.0.0/24",),
                hosts=tuple(hosts),
                internal=internal,
            )
        )
    return tuple(found)


def view(catalogue: Catalogue) -> dict[Any, Any]:
    """Return all that can be asked of a catalogue, by gateway, sender, name, address."""
    found: dict[Any, Any] = {}
    for gateway in sorted(catalogue.list_gateways()):
        for last in range(2, 10):
            for number in range(len(NETWORKS)):
                sender = dns.pack_address(f"10.{number}.0.{last}")
                seen = catalogue.look_from(gateway, sender)
                host = seen.find_address(sender)
                found[gateway, sender] = (seen.upstreams, seen.leads_outside, host and host.names[0])
                for name in ("web", "db", "www", "a.b", "web.n2"):
                    entry = seen.find_name(name)
                    records = entry.list_records(dns.TYPE_A) if entry is not None else None
                    found[gateway, sender, name] = sorted(records) if records is not None else None
    return found


@settings(max_examples=60)
@given(st.lists(zones(), min_size=1, max_size=5))
def test_changes_add_up(steps: list[tuple[Zone, ...]]) -> None:
    told = Catalogue()
    before = None
    for number, step in enumerate(steps):
        want = NamesWant(digest=str(number), zones=step)
        told.apply(render_change(before, want))
        before = want
        whole = Catalogue()
        whole.apply(render_change(None, want))
        assert view(told) == view(whole)
        change = render_change(want, NamesWant(digest="same", zones=step))
        assert (change["networks"], change["hosts"]) == ({}, [])


def test_a_change_of_one_container_is_told_alone() -> None:
    hosts = [
        NamedHost(container=Uid(f"{n:032x}"), addresses=(f"10.0.{n // 250}.{n % 250 + 2}",), names=(f"c{n}",))
        for n in range(1000)
    ]
    zone = Zone(network=Uid("n1"), network_name="n1", gateways=("10.0.0.1",), hosts=tuple(hosts[:-1]))
    fuller = Zone(network=Uid("n1"), network_name="n1", gateways=("10.0.0.1",), hosts=tuple(hosts))
    change = render_change(NamesWant(digest="a", zones=(zone,)), NamesWant(digest="b", zones=(fuller,)))
    assert change["base"] == "a"
    assert change["networks"] == {}
    assert [container for _, container, _ in change["hosts"]] == [hosts[-1].container]


def test_answers_take_turns_in_a_steady_order() -> None:
    entry = Entry()
    for number in (3, 1, 2):
        address = dns.pack_address(f"10.0.0.{number}")
        entry.put(Host(container=str(number), addresses=(address,), names=("w",), upstreams=()))
    firsts = []
    for _ in range(6):
        records = entry.list_records(dns.TYPE_A)
        assert entry.list_records(dns.TYPE_AAAA) == []
        order = [data[-1] for _, data in records]
        firsts.append(order[0])
        assert order in ([1, 2, 3], [2, 3, 1], [3, 1, 2])
    assert firsts == [2, 3, 1, 2, 3, 1]
