"""Tiers: tests below kernel/ and e2e/ carry their folder's mark; those and what is marked `kernel` need a test host."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.testhost.inventory import read_inventory
from tests.testhost.peer import Peer, connected_peer

_TESTS_PATH = Path(__file__).parent
_TIERS_IN_A_HOST = ("kernel", "e2e")

settings.register_profile("hold", deadline=None)  # the machine's pace is nothing that a property promises
settings.load_profile("hold")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests with the tier of their folder, before `-m` selects."""
    for item in items:
        tier = item.path.relative_to(_TESTS_PATH).parts[0]
        if tier in _TIERS_IN_A_HOST:
            item.add_marker(tier)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a test host outside of one, or programs that are missing; where all is required, fail instead."""
    reason = _find_lack(item)
    if reason and os.environ.get("HOLD_REQUIRE_KERNEL") == "1":
        pytest.fail(reason, pytrace=False)
    if reason:
        pytest.skip(reason)


def _find_lack(item: pytest.Item) -> str:
    """Return why a test can't run here, empty when it can."""
    needs_host = any(map(item.get_closest_marker, _TIERS_IN_A_HOST))
    if needs_host and os.environ.get("HOLD_TEST_HOST") != "1":
        return "needs a test host: run it by `python -m tests.testhost`, as `make test-kernel` does"
    programs = [program for marker in item.iter_markers("needs") for program in marker.args]
    missing = [program for program in programs if shutil.which(program) is None]
    return f"needs {' and '.join(missing)}, which CI installs" if missing else ""


@pytest.fixture
def host_left_as_found() -> Iterator[None]:
    """Fail when the test leaves a link, address, route, rule, namespace, mount, cgroup or process behind."""
    before = read_inventory()
    yield
    assert read_inventory().added_since(before) == ()


@pytest.fixture
def peer() -> Iterator[Peer]:
    """Another machine at 192.0.2.2, routed through the test host at 192.0.2.1."""
    with connected_peer() as machine:
        yield machine
