"""A machine with a daemon, in a test host."""

import contextlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.machine import Machine, NotInTime, wait_for
from tests.testhost.inventory import Inventory, read_inventory

IMAGE = "box:1"
_TEARDOWN_S = 20.0

_STANDING = re.compile(
    r"^firewall: .*(HOLD-|hold:hold)|^mounts: (/run/netns|.*/run/(netns|rootfs))$|^cgroups: /sys/fs/cgroup/(\w+/)?(hold|lab)$"
)
"""What stays by design once hold has run on a host: empty chains, the administrator's among them, and empty parents."""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine with a running daemon and the image box:1; nothing of it may be left on the host at the end."""
    if os.environ.get("HOLD_TEST_HOST") != "1":
        pytest.skip("needs a test host")
    with running_machine(tmp_path_factory.mktemp("machine")) as running:
        yield running


@contextmanager
def running_machine(scratch_path: Path, *options: str) -> Iterator[Machine]:
    """See `machine`; all that lies on disk is below `scratch_path`. The daemon has further `options`."""
    before = read_inventory()
    (scratch_path / "resolv.conf").write_text("nameserver 127.0.0.53\n")
    resolv_conf = ["--resolv-conf", str(scratch_path / "resolv.conf")]
    machine = Machine(scratch_path, options=[*resolv_conf, *options])
    machine.start_daemon()
    try:
        machine.import_image(IMAGE)
        yield machine
    finally:
        machine.purge()
    # The kernel takes namespaces apart, with the links in them, in its own time.
    with contextlib.suppress(NotInTime):
        wait_for(lambda: not _list_left(before), "what is left", deadline_s=_TEARDOWN_S)
    assert _list_left(before) == []


def _list_left(before: Inventory) -> list[str]:
    return [line for line in read_inventory().added_since(before) if not _STANDING.search(line)]


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """A directory for the manifests of one test."""
    return tmp_path
