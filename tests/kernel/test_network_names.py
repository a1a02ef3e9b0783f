"""Names as containers ask for them: who sees which, where the rest comes from, and what the server survives."""

import asyncio
import os
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from controller.errors import Refused
from controller.kernel.names import dns
from controller.kernel.names.name_server import KernelNameServer
from controller.kernel.subprocesses import Runner, wait_readable
from controller.model.facts import NamesFacts
from controller.model.ids import Uid
from controller.model.wants import NamedHost, NamesWant, Zone
from controller.plan.firewall import NAME_SERVER_PORT
from tests.kernel.network_host import (
    BACK,
    CALLER,
    CLOSED,
    HERMIT,
    PATIENCE_S,
    SHOP,
    STRANGER,
    WEB,
    NetworkHost,
    own_socket,
    run,
)
from tests.machine import wait_for
from tests.resolver import ADDRESS, resolver

SHORT_UID = WEB[:12]
WEB_NAMES = ("web", "www", SHORT_UID)
UPSTREAM = "127.0.0.40"


def zone(network: str, bridge: str, *hosts: tuple[Uid, str, tuple[str, ...]], internal: bool = False) -> Zone:
    """Return a zone with containers."""
    third = {SHOP.name: 77, BACK.name: 78, CLOSED.name: 79}[bridge]
    return Zone(
        network=Uid(network),
        network_name=network,
        gateways=(f"10.{third}.0.1",),
        subnets=(f"10.{third}.0.0/24",),
        hosts=tuple(NamedHost(container=uid, addresses=(each,), names=names) for uid, each, names in hosts),
        internal=internal,
    )


SHOP_ZONE = zone("shop", SHOP.name, (WEB, "10.77.0.2", WEB_NAMES), (CALLER, "10.77.0.3", ("Caller", "www")))
BACK_ZONE = zone("back", BACK.name, (STRANGER, "10.78.0.2", ("stranger",)), (WEB, "10.78.0.9", WEB_NAMES))
CLOSED_ZONE = zone("closed", CLOSED.name, (HERMIT, "10.79.0.2", ("hermit",)), internal=True)
WANT = NamesWant(digest="all", zones=(SHOP_ZONE, BACK_ZONE, CLOSED_ZONE))


def render_question(name: str, kind: int = dns.TYPE_A) -> bytes:
    """Return a question on the wire."""
    labels = b"".join(bytes([len(each)]) + each.encode() for each in name.split("."))
    return b"\x12\x34\x01\x00\0\x01\0\0\0\0\0\0" + labels + b"\0" + struct.pack("!HH", kind, dns.CLASS_IN)


def parse_answer(message: bytes) -> tuple[int, list[str]]:
    """Return the response code, and the addresses or names of the answer."""
    _, flags, _, count, _, _ = struct.unpack_from("!6H", message)
    offset = message.index(b"\0", 12) + 5
    found = []
    for _ in range(count):
        kind, _, _, size = struct.unpack_from("!HHIH", message, offset + 2)
        data = message[offset + 12 : offset + 12 + size]
        family = {dns.TYPE_A: socket.AF_INET, dns.TYPE_AAAA: socket.AF_INET6}.get(kind)
        found.append(socket.inet_ntop(family, data) if family is not None else parse_labels(data))
        offset += 12 + size
    return flags & 0xF, sorted(found)


def exchange_framed(client: socket.socket, question: bytes) -> bytes:
    """Return the answer by TCP."""
    client.sendall(struct.pack("!H", len(question)) + question)
    with client.makefile("rb") as stream:
        (size,) = struct.unpack("!H", stream.read(2))
        return stream.read(size)


def parse_labels(data: bytes) -> str:
    labels = []
    while data[0]:
        labels.append(data[1 : 1 + data[0]].decode())
        data = data[1 + data[0] :]
    return ".".join(labels)


def ask(
    network: NetworkHost, asker: Uid, name: str, kind: int = dns.TYPE_A, *, stream: bool = False
) -> tuple[int, list[str]]:
    """Ask as a container does: its gateway, port 53."""
    gateway = {STRANGER: "10.78.0.1", HERMIT: "10.79.0.1"}.get(asker, "10.77.0.1")
    transport = socket.SOCK_STREAM if stream else socket.SOCK_DGRAM
    with network.open_socket(asker, transport) as client:
        client.settimeout(PATIENCE_S)
        client.connect((gateway, 53))
        if stream:
            return parse_answer(exchange_framed(client, render_question(name, kind)))
        client.send(render_question(name, kind))
        return parse_answer(client.recv(4096))


@pytest.fixture
async def served(network: NetworkHost) -> NetworkHost:
    """A host with rules and names, whose resolver is at UPSTREAM."""
    set_resolvers(network, UPSTREAM)
    await network.publish()
    await network.ports.names.publish(WANT)
    return network


def set_resolvers(network: NetworkHost, *addresses: str) -> None:
    lines = [f"nameserver {address}" for address in addresses]
    (Path(network.layout.run_path).parent / "resolv.conf").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("stream", [False, True], ids=["udp", "tcp"])
async def test_names_aliases_and_addresses_are_found(served: NetworkHost, *, stream: bool) -> None:
    assert ask(served, CALLER, "web", stream=stream) == (dns.NO_ERROR, ["10.77.0.2"])
    assert ask(served, CALLER, SHORT_UID, stream=stream) == (dns.NO_ERROR, ["10.77.0.2"])
    assert ask(served, CALLER, "www", stream=stream) == (dns.NO_ERROR, ["10.77.0.2", "10.77.0.3"])
    assert ask(served, WEB, "cAlLeR", stream=stream) == (dns.NO_ERROR, ["10.77.0.3"])
    reverse = ask(served, CALLER, "2.0.77.10.in-addr.arpa", dns.TYPE_PTR, stream=stream)
    assert reverse == (dns.NO_ERROR, ["web"])
    assert ask(served, CALLER, "web", dns.TYPE_AAAA, stream=stream) == (dns.NO_ERROR, [])


async def test_containers_see_names_of_their_own_networks_only(served: NetworkHost) -> None:
    assert ask(served, CALLER, "stranger") == (dns.NAME_ERROR, [])
    assert ask(served, STRANGER, "caller") == (dns.NAME_ERROR, [])
    assert ask(served, STRANGER, "web") == (dns.NO_ERROR, ["10.78.0.9"])
    assert ask(served, WEB, "stranger") == (dns.NO_ERROR, ["10.78.0.2"])
    assert ask(served, WEB, "caller") == (dns.NO_ERROR, ["10.77.0.3"])
    assert ask(served, CALLER, "2.0.78.10.in-addr.arpa", dns.TYPE_PTR)[1] == []


async def test_the_rest_comes_from_the_resolvers_of_the_host(served: NetworkHost) -> None:
    set_resolvers(served, "127.0.0.41", UPSTREAM)
    with resolver(UPSTREAM):
        assert ask(served, CALLER, "example.org") == (dns.NO_ERROR, [ADDRESS])
    assert ask(served, CALLER, "example.org") == (dns.SERVER_FAILURE, [])
    assert ask(served, CALLER, "example.org", stream=True) == (dns.SERVER_FAILURE, [])
    set_resolvers(served)
    assert ask(served, CALLER, "example.org") == (dns.SERVER_FAILURE, [])
    assert ask(served, CALLER, "nobody") == (dns.NAME_ERROR, [])


async def test_a_resolver_that_fails_is_passed_over(served: NetworkHost) -> None:
    set_resolvers(served, "127.0.0.42", "127.0.0.43", UPSTREAM)
    with failing_resolver("127.0.0.42"), silent_resolver("127.0.0.43"):
        assert ask(served, CALLER, "example.org") == (dns.SERVER_FAILURE, [])
        with resolver(UPSTREAM):
            assert ask(served, CALLER, "example.org") == (dns.NO_ERROR, [ADDRESS])


async def test_a_name_on_an_internal_network_first_is_no_dead_end(served: NetworkHost) -> None:
    (hermit,) = CLOSED_ZONE.hosts
    both = replace(hermit, addresses=("10.77.0.9",))
    shop = replace(SHOP_ZONE, hosts=(*SHOP_ZONE.hosts, both))
    await served.ports.names.publish(NamesWant(digest="both", zones=(shop, CLOSED_ZONE)))
    with resolver(UPSTREAM):
        assert ask(served, HERMIT, "example.org") == (dns.NO_ERROR, [ADDRESS])
        assert ask(served, HERMIT, "caller") == (dns.NO_ERROR, ["10.77.0.3"])


async def test_a_container_has_resolvers_of_its_own(served: NetworkHost) -> None:
    web, caller = SHOP_ZONE.hosts
    choosy = replace(caller, upstreams=("127.0.0.42", "10.77.0.1"))
    own = replace(SHOP_ZONE, hosts=(web, choosy))
    await served.ports.names.publish(NamesWant(digest="own", zones=(own, BACK_ZONE)))
    with resolver("127.0.0.42"):
        assert ask(served, CALLER, "example.org") == (dns.NO_ERROR, [ADDRESS])
        assert ask(served, CALLER, "web") == (dns.NO_ERROR, ["10.77.0.2"])
        assert ask(served, WEB, "example.org") == (dns.SERVER_FAILURE, [])


async def test_an_internal_network_learns_nothing_of_outside(served: NetworkHost) -> None:
    with resolver(UPSTREAM):
        assert ask(served, HERMIT, "example.org") == (dns.REFUSED, [])
        assert ask(served, HERMIT, "hermit") == (dns.NO_ERROR, ["10.79.0.2"])


async def test_a_changed_zone_is_served_when_publishing_returns(served: NetworkHost) -> None:
    moved = zone("shop", SHOP.name, (WEB, "10.77.0.7", ("web",)))
    await served.ports.names.publish(NamesWant(digest="moved", zones=(moved, CLOSED_ZONE)))
    assert ask(served, CALLER, "web") == (dns.NO_ERROR, ["10.77.0.7"])
    assert ask(served, CALLER, "www") == (dns.NAME_ERROR, [])
    await served.ports.names.publish(WANT)
    assert ask(served, STRANGER, "stranger") == (dns.NO_ERROR, ["10.78.0.2"])


async def test_a_server_that_was_killed_comes_back_with_everything(served: NetworkHost) -> None:
    pidfd = served.ports.name_server.open_pidfd()
    assert pidfd is not None
    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    await wait_readable(pidfd)
    os.close(pidfd)
    assert await served.ports.names.read() == NamesFacts(digest="", serving=False)
    moved = zone("shop", SHOP.name, (WEB, "10.77.0.2", WEB_NAMES), (CALLER, "10.77.0.8", ("caller",)))
    await served.ports.names.publish(NamesWant(digest="again", zones=(moved, BACK_ZONE)))
    assert ask(served, WEB, "caller") == (dns.NO_ERROR, ["10.77.0.8"])
    assert ask(served, STRANGER, "web") == (dns.NO_ERROR, ["10.78.0.9"])


async def test_an_address_that_others_have_changes_nothing(served: NetworkHost) -> None:
    with own_socket(socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.77", NAME_SERVER_PORT))
        taken = Zone(network=Uid("taken"), network_name="taken", gateways=("127.0.0.77",))
        with pytest.raises(Refused, match=r"127\.0\.0\.77 port"):
            await served.ports.names.publish(NamesWant(digest="taken", zones=(SHOP_ZONE, taken)))
        assert ask(served, CALLER, "web") == (dns.NO_ERROR, ["10.77.0.2"])
        assert (await served.ports.names.read()).digest == WANT.digest
    await served.ports.names.publish(NamesWant(digest="free", zones=(SHOP_ZONE, taken)))
    assert (await served.ports.names.read()).digest == "free"


async def test_names_are_served_by_ipv6(served: NetworkHost) -> None:
    gateway = "fd00:77::1"
    run("ip", "-6", "address", "add", f"{gateway}/64", "dev", "lo", "nodad")
    try:
        # The kernel makes the route to its own address a moment after the address.
        wait_for(lambda: "local" in read("ip", "-6", "route", "get", gateway), "the way to the address")
        web, caller = SHOP_ZONE.hosts
        both = replace(web, addresses=(*web.addresses, "fd00:77::2"))
        ours = replace(caller, addresses=(gateway,))
        shop = replace(SHOP_ZONE, gateways=("10.77.0.1", gateway), hosts=(both, ours))
        await served.ports.names.publish(NamesWant(digest="six", zones=(shop,)))
        for transport in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            with socket.socket(socket.AF_INET6, transport) as client:
                client.settimeout(PATIENCE_S)
                client.connect((gateway, NAME_SERVER_PORT))
                question = render_question("web", dns.TYPE_AAAA)
                if transport is socket.SOCK_STREAM:
                    answer = exchange_framed(client, question)
                else:
                    client.send(question)
                    answer = client.recv(4096)
                assert parse_answer(answer) == (dns.NO_ERROR, ["fd00:77::2"])
    finally:
        run("ip", "-6", "address", "delete", f"{gateway}/64", "dev", "lo")


async def test_the_next_daemon_finds_the_server(served: NetworkHost) -> None:
    pid = (Path(served.layout.dns_path) / "server.pid").read_text()
    successor = KernelNameServer(layout=served.layout, runner=Runner(), resolv_conf_path="/dev/null")
    assert (await successor.read()).digest == WANT.digest
    await successor.publish(NamesWant(digest="next", zones=(SHOP_ZONE,)))
    assert (await successor.read()).serving
    assert (Path(served.layout.dns_path) / "server.pid").read_text() == pid
    assert ask(served, CALLER, "web") == (dns.NO_ERROR, ["10.77.0.2"])


async def test_the_host_can_have_a_name_server_on_every_address(network: NetworkHost) -> None:
    with own_socket(socket.SOCK_DGRAM) as other, own_socket() as other_stream:
        other.bind(("0.0.0.0", 53))
        other_stream.bind(("0.0.0.0", 53))
        other_stream.listen()
        await network.publish()
        await network.ports.names.publish(WANT)
        assert ask(network, CALLER, "web") == (dns.NO_ERROR, ["10.77.0.2"])
        assert ask(network, CALLER, "web", stream=True) == (dns.NO_ERROR, ["10.77.0.2"])


async def test_a_bridge_may_come_again(served: NetworkHost) -> None:
    await served.ports.bridges.delete(SHOP.network)
    await served.restore()
    assert ask(served, CALLER, "web") == (dns.NO_ERROR, ["10.77.0.2"])
    assert ask(served, CALLER, "web", stream=True) == (dns.NO_ERROR, ["10.77.0.2"])


async def test_junk_does_no_harm(served: NetworkHost) -> None:
    question = render_question("web")
    junk = [b"", b"\0", question[:12], question[:-1], b"\xff" * 600, question[:12] + b"\xc0\x0c\0\x01\0\x01"]
    junk += [question[:2] + b"\x81\x80" + question[4:], question[:4] + b"\0\x02" + question[6:]]
    with served.open_socket(CALLER, socket.SOCK_DGRAM) as client:
        client.connect(("10.77.0.1", 53))
        for message in junk:
            client.send(message)
    with served.open_socket(CALLER) as client:
        client.connect(("10.77.0.1", 53))
        client.send(b"\xff\xff" + os.urandom(100))
    assert ask(served, CALLER, "web") == (dns.NO_ERROR, ["10.77.0.2"])


async def test_a_long_answer_is_whole_by_tcp_only(served: NetworkHost) -> None:
    crowd = [(Uid(f"{n:032x}"), f"10.77.1.{n}", ("crowd",)) for n in range(100)]
    await served.ports.names.publish(NamesWant(digest="crowd", zones=(zone("shop", SHOP.name, *crowd),)))
    with served.open_socket(CALLER, socket.SOCK_DGRAM) as client:
        client.settimeout(PATIENCE_S)
        client.connect(("10.77.0.1", 53))
        client.send(render_question("crowd"))
        answer = client.recv(4096)
    assert len(answer) <= dns.UDP_LIMIT_BYTES
    assert struct.unpack_from("!H", answer, 2)[0] & 0x0200
    assert len(parse_answer(answer)[1]) > 20
    assert len(ask(served, CALLER, "crowd", stream=True)[1]) == 100


def read(*command: str) -> str:
    """Return what a program of the host prints."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


@contextmanager
def silent_resolver(address: str = UPSTREAM) -> Iterator[None]:
    """A resolver that never answers."""
    with own_socket(socket.SOCK_DGRAM) as endpoint:
        endpoint.bind((address, 53))
        yield


@contextmanager
def failing_resolver(address: str) -> Iterator[None]:
    """A resolver that always tells of a failure."""
    with own_socket(socket.SOCK_DGRAM) as endpoint:
        endpoint.bind((address, 53))
        thread = threading.Thread(target=fail, args=(endpoint,))
        thread.start()
        try:
            yield
        finally:
            with own_socket(socket.SOCK_DGRAM) as stop:
                stop.sendto(b"", (address, 53))
            thread.join()


def fail(endpoint: socket.socket) -> None:
    while message := (received := endpoint.recvfrom(512))[0]:
        sender = received[1]
        endpoint.sendto(message[:2] + b"\x81\x82" + message[4:], sender)


async def test_slow_resolvers_and_clients_keep_nobody_waiting(served: NetworkHost) -> None:
    with silent_resolver():
        clients = [served.open_socket(CALLER, socket.SOCK_DGRAM) for _ in range(4)]
        idle = [served.open_socket(CALLER) for _ in range(80)]
        for client in clients:
            client.connect(("10.77.0.1", 53))
            for _ in range(50):
                client.send(render_question("example.org"))
        for each in idle:
            each.connect(("10.77.0.1", 53))
        loop = asyncio.get_running_loop()
        begun = loop.time()
        assert ask(served, CALLER, "web") == (dns.NO_ERROR, ["10.77.0.2"])
        assert loop.time() - begun < 2.0
        for each in (*clients, *idle):
            each.close()
