"""Fixtures of the contract suites: each suite runs on the fakes, and in a test host on the real adapters."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.kernel.processes.gates import Gates
from tests.contract.containers import ContainerPorts, fake_containers, linux_containers
from tests.contract.network import NetworkPorts, fake_network, linux_network


@pytest.fixture(
    params=[
        pytest.param(fake_network, id="fake"),
        pytest.param(linux_network, id="linux", marks=pytest.mark.kernel),
    ]
)
async def network(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[NetworkPorts]:
    """The network ports."""
    async with request.param(tmp_path) as ports:
        yield ports


@pytest.fixture(
    params=[
        pytest.param("", id="fake"),
        pytest.param("crun", id="crun", marks=pytest.mark.kernel),
        pytest.param("runc", id="runc", marks=pytest.mark.kernel),
    ]
)
async def containers(request: pytest.FixtureRequest) -> AsyncIterator[ContainerPorts]:
    """The ports of containers."""
    async with linux_containers(request.param, Gates()) if request.param else fake_containers() as ports:
        yield ports


@pytest.fixture(params=["crun", "runc"])
async def linux(request: pytest.FixtureRequest) -> AsyncIterator[ContainerPorts]:
    """The ports of containers on Linux, for what the fake machine does not know; for tests marked kernel."""
    async with linux_containers(request.param, Gates()) as ports:
        yield ports


@pytest.fixture
def block_device() -> str:
    """A disk of the host, which is only named."""
    for path in sorted(Path("/sys/block").iterdir()):
        if not path.name.startswith(("loop", "ram", "zram")) and Path("/dev", path.name).exists():
            return f"/dev/{path.name}"
    pytest.skip("this host has no disk")
