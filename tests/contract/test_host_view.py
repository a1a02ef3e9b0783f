"""What every adapter of HostView promises."""

import contextlib
import socket
from pathlib import Path

import pytest

from controller.kernel.host_view import KernelHostView
from controller.kernel.network.listeners import parse_listeners, read_listeners
from controller.model.layout import Layout
from controller.ports import HostView
from tests.fakes.api_kernel import PlayedHost


@pytest.fixture(params=["fake", pytest.param("linux", marks=pytest.mark.kernel)])
def host(request: pytest.FixtureRequest) -> HostView:
    """The host."""
    layout = Layout(root_path="/nowhere", run_path="/nowhere", instance="contract")
    return PlayedHost() if request.param == "fake" else KernelHostView(layout=layout)


async def test_links_of_others_are_named_where_networks_matter(host: HostView) -> None:
    assert "lo" in (await host.read(networks=True)).link_names


async def test_links_and_routes_are_left_out_where_they_do_not(host: HostView) -> None:
    facts = await host.read(networks=False)
    assert (facts.link_names, facts.routes) == (frozenset(), ())


@pytest.mark.kernel
async def test_listeners_are_told_either_way() -> None:
    layout = Layout(root_path="/nowhere", run_path="/nowhere", instance="contract")
    with socket.create_server(("127.0.0.1", 7009)):
        for networks in (True, False):
            facts = await KernelHostView(layout=layout).read(networks=networks)
            assert ("tcp", "127.0.0.1", 7009) in facts.listeners


@pytest.mark.kernel
def test_both_ways_to_ask_tell_the_same() -> None:
    """The kernel's answer to sock_diag(7) and its files, in every family and with addresses of all kinds."""
    with contextlib.ExitStack() as stack:
        for family, kind, address in (
            (socket.AF_INET, socket.SOCK_STREAM, "127.0.0.1"),
            (socket.AF_INET, socket.SOCK_STREAM, "0.0.0.0"),
            (socket.AF_INET6, socket.SOCK_STREAM, "::1"),
            (socket.AF_INET6, socket.SOCK_STREAM, "::ffff:127.0.0.2"),
            (socket.AF_INET6, socket.SOCK_DGRAM, "::"),
            (socket.AF_INET, socket.SOCK_DGRAM, "127.0.0.3"),
        ):
            bound = stack.enter_context(socket.socket(family, kind))
            bound.bind((address, 0))
            if kind == socket.SOCK_STREAM:
                bound.listen()
        told = sorted(read_listeners())
        names = {"tcp": ("tcp", "tcp6"), "udp": ("udp", "udp6")}
        files = [(protocol, Path(f"/proc/self/net/{name}")) for protocol in names for name in names[protocol]]
        assert told == sorted(
            each for protocol, path in files for each in parse_listeners(protocol, path.read_text())
        )
        assert {"", "127.0.0.1", "::1", "127.0.0.2", "127.0.0.3"} <= {address for _, address, _ in told}
