"""What every adapter of HostView promises."""

import socket

import pytest

from controller.kernel.host_view import KernelHostView
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
