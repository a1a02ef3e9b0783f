"""What suites about links below a parent share. Few kernels have them all: those of the virtual machine do."""

import subprocess
from collections.abc import Iterable

import pytest

from controller.model.ids import Uid
from controller.model.names import derive_host_link, derive_mac
from controller.model.network_drivers import Sublink
from controller.model.wants import AttachmentWant
from tests.contract.network import LinuxPorts, NetworkPorts

LAN = Uid("5" * 32)
"""A network below a parent."""
PARENT = "lan0"


def derive_want(
    container: Uid, sublink: Sublink, address: str, *, network: Uid = LAN, inside: str = "eth0"
) -> AttachmentWant:
    """Return a link as the planner asks for it, without a default route."""
    return AttachmentWant(
        container=container,
        network=network,
        host_link=derive_host_link(container, network),
        bridge="",
        inside=inside,
        mac="" if sublink.shares_mac else derive_mac(container, network),
        address=address,
        sublink=sublink,
    )


def require_links(network: NetworkPorts, kinds: Iterable[str]) -> None:
    """Skip on Linux where the kernel does not know links of these kinds: `make test-vm` has one that does."""
    if not isinstance(network, LinuxPorts):
        return
    pair = ["probe0", "type", "veth", "peer", "name", "probe1"]
    subprocess.run(["ip", "link", "add", *pair], check=True)
    try:
        for kind in kinds:
            made = ["ip", "link", "add", "link", "probe0", "name", f"probe-{kind}", "type", kind]
            made += ["id", "7"] if kind == "vlan" else []
            if subprocess.run(made, check=False, capture_output=True).returncode != 0:
                pytest.skip(f"this kernel has no {kind} links: run `make test-vm`")
            subprocess.run(["ip", "link", "delete", f"probe-{kind}"], check=True)
    finally:
        subprocess.run(["ip", "link", "delete", "probe0"], check=True)
