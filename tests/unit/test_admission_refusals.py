"""What admission refuses, and in which words."""

from collections.abc import Sequence

import pytest

from controller.errors import (
    AlreadyExists,
    Exhausted,
    HoldError,
    InUse,
    Invalid,
    NotFound,
    StaleRevision,
)
from controller.model.changes import Draft
from controller.model.network import NetworkSpec
from tests.unit.admission_scenario import BASE, HOST, apply, container, draft, image, make_context, network

REFUSED: Sequence[tuple[str, Sequence[Draft], type[HoldError], str]] = [
    ("missing image", [container("x", image="b", pullPolicy="never")], Invalid, "Container/x: spec.image: Image/b:latest does not exist; did you mean a:latest?"),
    ("image no registry can have", [container("x", image="B")], Invalid, "Container/x: spec.image: Image/B:latest does not exist"),
    ("missing network", [container("x", networks=["n", "aut"])], Invalid, "Container/x: spec.networks[1].name: Network/aut does not exist; did you mean auto?"),
    ("missing volume", [container("x", mounts=["dat:/d"])], Invalid, "Container/x: spec.mounts[0].source: Volume/dat does not exist; did you mean data?"),
    ("missing dependency", [container("x", dependsOn=["wab"])], Invalid, "Container/x: spec.dependsOn.wab: Container/wab does not exist; did you mean web?"),
    ("cycle", [container("web", dependsOn=["x"]), container("x", dependsOn=["back"])], Invalid, "dependencies form a cycle: web -> x -> back -> web"),
    ("depends on itself", [container("x", dependsOn=["x"])], Invalid, "dependencies form a cycle: x -> x"),
    ("twice", [container("x"), container("x")], Invalid, "Container/x: is in the batch twice"),
    ("bad image name", [image("a b")], Invalid, "can't be part of an image's name"),
    ("overlap with a network", [network("x", subnets=["10.77.0.0/24"])], AlreadyExists, "Network/x: spec.subnets[0]: 10.77.0.0/24 overlaps 10.77.0.0/29 of Network/n"),
    ("overlap in the batch", [network("x", subnets=["10.1.0.0/24"]), network("y", subnets=["10.1.0.0/16"])], AlreadyExists, "Network/y: spec.subnets[0]: 10.1.0.0/16 overlaps 10.1.0.0/24 of Network/x"),
    ("overlap with the host", [network("x", subnets=["192.168.7.0/24"])], AlreadyExists, "192.168.7.0/24 overlaps 192.168.0.0/16, which the host has a route to"),
    ("foreign bridge", [network("x", bridgeName="eth0")], AlreadyExists, "Network/x: spec.bridgeName: the host has a link eth0 that is not hold's"),
    ("bridge of another", [network("x", bridgeName="br"), network("y", bridgeName="br")], AlreadyExists, "bridge br is that of Network/x"),
    ("no room for the gateway", [network("x", subnets=["10.1.0.0/30"], reservedAddresses={"a": "10.1.0.1", "b": "10.1.0.2"})], Exhausted, "Network/x: spec.reservedAddresses: subnet 10.1.0.0/30 has no free address for the gateway: reserve fewer"),
    ("a network called host", [network("host")], Invalid, "Network/host: metadata.name: 'host' is the host's own network, by networkMode: choose another name"),
    ("a network called default", [network("default")], Invalid, "Network/default: metadata.name: 'default' stands for the network bridge"),
    ("outside", [container("x", networks=[{"name": "n", "ipv4": "10.78.0.2"}])], Invalid, "Container/x: spec.networks[0].ipv4: 10.78.0.2 is outside the subnet 10.77.0.0/29 of Network/n"),
    ("broadcast", [container("x", networks=[{"name": "n", "ipv4": "10.77.0.7"}])], Invalid, "10.77.0.7 is reserved"),
    ("gateway", [container("x", networks=[{"name": "n", "ipv4": "10.77.0.1"}])], Invalid, "10.77.0.1 is reserved: it is the gateway"),
    ("address taken", [container("x", networks=[{"name": "n", "ipv4": "10.77.0.2"}])], AlreadyExists, "10.77.0.2 is taken by Container/web"),
    ("address twice", [container(name, networks=[{"name": "n", "ipv4": "10.77.0.6"}]) for name in "xy"], AlreadyExists, "Container/y: spec.networks[0].ipv4: 10.77.0.6 is taken by Container/x"),
    ("MAC twice", [container(name, networks=[{"name": "n", "mac": "02:00:00:00:00:01"}]) for name in "xy"], AlreadyExists, "02:00:00:00:00:01 is taken by Container/x"),
    ("no MAC", [container("x", networks=[{"name": "n", "mac": "00:00:00:00:00:00"}])], Invalid, "Container/x: spec.networks[0].mac: 00:00:00:00:00:00 is no address"),
    ("reserving what is used", [network("n", subnets=["10.77.0.0/29"], reservedAddresses={"r": "10.77.0.2"})], InUse, "Network/n: spec.reservedAddresses.r: 10.77.0.2 is that of Container/web: reserve another one"),
    ("MAC of many", [container("x", networks=[{"name": "n", "mac": "01:00:00:00:00:01"}])], Invalid, "is a multicast address"),
    ("full subnet", [container(f"x{number}") for number in range(6)], Exhausted, "subnet 10.77.0.0/29 of Network/n has no free address"),
    ("port taken", [container("x", ports=["8080:1"])], AlreadyExists, "Container/x: spec.ports[0].hostPort: host port 8080/tcp is taken by Container/web"),
    ("port taken on one address", [container("x", ports=["1:1", "127.0.0.1:8080:1"])], AlreadyExists, "Container/x: spec.ports[1].hostPort: host port 127.0.0.1:8080/tcp is taken by Container/web"),
    ("full range of ports", [container(name, ports=["7000-7001:80"]) for name in "vxy"], Exhausted, "Container/y: spec.ports[0].hostPort: no host port of 7000-7001/tcp is free: name a larger range"),
    ("port twice", [container("x", ports=["1:1", "1:2"])], Invalid, "Container/x: spec.ports[1].hostPort: host port 1/tcp is published twice"),
    ("foreign listener", [container("x", ports=["22:22"])], AlreadyExists, "host port 22/tcp is taken by a process of the host"),
    ("foreign listener on one address", [container("x", ports=["631:1"])], AlreadyExists, "host port 631/tcp is taken by a process of the host"),
    ("subnet of a network in use", [network("n", subnets=["10.78.0.0/24"])], InUse, "Network/n: spec.subnets: 10.77.0.0/29 can't become 10.78.0.0/24 while Container/back, Container/web use the network: disconnect or remove them first, or make another network"),
    ("reserved address", [network("r", subnets=["10.90.0.0/24"], reservedAddresses={"router": "10.90.0.5"}), container("x", networks=[{"name": "r", "ipv4": "10.90.0.5"}])], Invalid, "10.90.0.5 is reserved for 'router' by Network/r"),
    ("full range", [network("r", subnets=["10.90.0.0/24"], ipRange="10.90.0.8/31"), *(container(each, networks=["r"]) for each in "xyz")], Exhausted, "ipRange 10.90.0.8/31 of Network/r has no free address"),
    ("wrong uid", [draft("Network/auto", NetworkSpec(), uid="0" * 32)], StaleRevision, "the object was replaced, read it again"),
    ("uid of what is gone", [draft("Network/x", NetworkSpec(), uid="0" * 32)], NotFound, "does not exist any more"),
    ("wrong revision", [draft("Network/auto", NetworkSpec(), revision=9)], StaleRevision, "the object was written since, read it again"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("drafts", "error", "message"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_refused(drafts: Sequence[Draft], error: type[HoldError], message: str) -> None:
    with pytest.raises(error) as caught:
        apply(BASE, *drafts, context=make_context(host=HOST))
    assert type(caught.value) is error
    assert message in caught.value.message
    assert message in "\n".join(str(violation) for violation in caught.value.violations)
