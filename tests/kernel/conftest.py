"""Fixtures of the kernel tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.kernel.box import Box, open_box
from tests.kernel.network_host import NetworkHost, network_host


@pytest.fixture(params=["nft", "legacy"])
def firewall_back_end(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let `iptables` mean one back end, as update-alternatives would."""
    back_end = str(request.param)
    programs_path = tmp_path / "programs"
    programs_path.mkdir()
    for family in ("iptables", "ip6tables"):
        for suffix in ("", "-save", "-restore"):
            (programs_path / f"{family}{suffix}").symlink_to(f"/usr/sbin/xtables-{back_end}-multi")
    monkeypatch.setenv("PATH", str(programs_path), prepend=":")
    return back_end


@pytest.fixture
async def network(tmp_path: Path) -> AsyncIterator[NetworkHost]:
    """Bridges and containers, without rules yet."""
    async with network_host(tmp_path) as host:
        yield host


@pytest.fixture(params=["crun", "runc"])
async def box(request: pytest.FixtureRequest) -> AsyncIterator[Box]:
    """Containers with each runtime, and ways into them."""
    async with open_box(request.param) as box:
        yield box
