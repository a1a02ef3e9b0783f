"""Fixtures of the contract suites: each suite runs on the fakes, and in a test host on the real adapters."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

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
