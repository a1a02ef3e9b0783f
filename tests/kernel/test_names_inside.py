"""Names in a namespace that reaches no gateway of the host's: served inside, and nothing is held for longer than that."""

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from controller.kernel.names import dns
from controller.kernel.network.inside_rules import is_led_inside
from controller.kernel.threads import run_in_netns
from controller.model.wants import INSIDE_RESOLVER, NamedHost, NamesWant, Zone
from tests.contract.network import DB, WEB, LinuxPorts, linux_network
from tests.contract.sublinks import LAN
from tests.kernel.test_network_names import parse_answer, render_question
from tests.machine import wait_for

_HOSTS = (
    NamedHost(container=WEB, addresses=("10.90.0.2",), names=("web",), inside=True),
    NamedHost(container=DB, addresses=("10.90.0.3",), names=("db",), inside=True),
)
ZONE = Zone(
    network=LAN, network_name="lan", gateways=(), subnets=("10.90.0.0/24",), hosts=_HOSTS, internal=True
)
WANT = NamesWant(digest="all", zones=(ZONE,))


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[LinuxPorts]:
    """A namespace with a veth end in it, whose other end tells whether it lives."""
    async with linux_network(tmp_path) as ports:
        await ports.namespaces.ensure(WEB)
        await ports.names.publish(WANT)
        yield ports


def ip(*arguments: str) -> bool:
    return subprocess.run(["ip", *arguments], check=False, capture_output=True).returncode == 0


def flush_rules(host: LinuxPorts) -> None:
    """Do what WEB can do to itself."""
    command = ("nsenter", f"--net={host.layout.netns_path(WEB)}", "iptables", "-t", "nat", "-F")
    subprocess.run(command, check=True)


def ask(host: LinuxPorts, name: str) -> tuple[int, list[str]]:
    """Return what the resolver inside says to WEB, by UDP and by TCP alike; nothing when nobody answers."""

    def exchange() -> tuple[bytes, bytes]:
        question = render_question(name)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as endpoint:
            endpoint.settimeout(2)
            endpoint.connect((INSIDE_RESOLVER, 53))
            endpoint.send(question)
            datagram = endpoint.recv(4096)
        with socket.create_connection((INSIDE_RESOLVER, 53), timeout=2) as connection:
            connection.sendall(len(question).to_bytes(2) + question)
            head = connection.recv(2, socket.MSG_WAITALL)
            return datagram, connection.recv(int.from_bytes(head), socket.MSG_WAITALL)

    with contextlib.suppress(OSError):
        one, other = map(parse_answer, run_in_netns(host.layout.netns_path(WEB), exchange))
        assert one == other
        return one
    return -1, []


async def test_names_are_answered_by_both_ways(host: LinuxPorts) -> None:
    await host.names.join(WEB)
    await host.names.join(WEB)
    assert ask(host, "db") == (dns.NO_ERROR, ["10.90.0.3"])
    assert ask(host, "nobody")[0] == dns.NAME_ERROR
    assert ask(host, "example.org")[0] == dns.REFUSED


async def test_port_53_is_free_for_a_server_in_the_container(host: LinuxPorts) -> None:
    await host.names.join(WEB)

    def listen() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as endpoint, socket.socket() as listener:
            endpoint.bind(("", 53))
            listener.bind(("", 53))
            listener.listen()

    run_in_netns(host.layout.netns_path(WEB), listen)


async def test_a_server_that_was_killed_is_back_inside(host: LinuxPorts) -> None:
    await host.names.join(WEB)
    pid = int(Path(host.layout.dns_path, "server.pid").read_text())
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: ask(host, "db")[0] == -1, "the server's end", deadline_s=20)
    await host.names.publish(WANT)
    assert ask(host, "db") == (dns.NO_ERROR, ["10.90.0.3"])


async def test_who_flushes_its_own_rules_is_led_there_again(host: LinuxPorts) -> None:
    await host.names.join(WEB)
    flush_rules(host)
    assert ask(host, "db")[0] == -1
    await host.names.tend(_HOSTS)  # of which DB has no namespace
    assert ask(host, "db") == (dns.NO_ERROR, ["10.90.0.3"])
    assert is_led_inside(host.layout.netns_path(WEB), "web")


async def test_a_namespace_made_anew_is_joined_anew(host: LinuxPorts) -> None:
    await host.names.join(WEB)
    await host.names.leave(WEB)
    await host.namespaces.delete(WEB)
    await host.namespaces.ensure(WEB)
    await host.names.join(WEB)
    assert ask(host, "db") == (dns.NO_ERROR, ["10.90.0.3"])


@pytest.mark.parametrize("how", ["by leaving", "by being on no network any more"])
async def test_a_namespace_that_was_left_can_go(host: LinuxPorts, how: str) -> None:
    assert ip("link", "add", "witness", "type", "veth", "peer", "name", "inner")
    assert ip("link", "set", "inner", "netns", host.layout.netns_path(WEB))
    assert ip("link", "show", "witness")
    await host.names.join(WEB)
    if how == "by leaving":
        await host.names.leave(WEB)
    else:
        await host.names.publish(NamesWant(digest="less", zones=(replace(ZONE, hosts=_HOSTS[1:]),)))
    await host.namespaces.delete(WEB)
    wait_for(lambda: not ip("link", "show", "witness"), "the namespace's end", deadline_s=20)
