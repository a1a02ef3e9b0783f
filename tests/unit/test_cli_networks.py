"""`hold network`: Docker's options become fields of the spec, lists are filtered."""

import pytest

from controller.api.v1 import resource_pb2
from controller.cli.client import Failure
from controller.cli.network_create import apply_options
from controller.cli.networks import read_filter

DOCKER = "com.docker.network"


def test_dockers_options_are_fields_of_the_spec() -> None:
    spec = resource_pb2.NetworkSpec()
    apply_options(
        spec,
        [
            f"{DOCKER}.bridge.name=br-shop",
            f"{DOCKER}.bridge.enable_icc=false",
            f"{DOCKER}.bridge.enable_ip_masquerade=0",
            f"{DOCKER}.bridge.host_binding_ipv4=127.0.0.1",
            f"{DOCKER}.container_iface_prefix=lan",
            f"{DOCKER}.driver.mtu=1400",
        ],
    )
    assert spec == resource_pb2.NetworkSpec(
        bridge_name="br-shop",
        inter_container=False,
        masquerade=False,
        host_binding="127.0.0.1",
        interface_prefix="lan",
        mtu=1400,
    )


def test_options_of_other_drivers_are_theirs_to_know() -> None:
    spec = resource_pb2.NetworkSpec(driver="macvlan")
    apply_options(spec, ["parent=eth0.50", "macvlan_mode=vepa", f"{DOCKER}.driver.mtu=1400"])
    assert spec == resource_pb2.NetworkSpec(
        driver="macvlan", driver_options={"parent": "eth0.50", "macvlan_mode": "vepa"}, mtu=1400
    )


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (f"{DOCKER}.bridge.enable_icc=maybe", "'maybe' is not true or false"),
        (f"{DOCKER}.driver.mtu=big", "'big' is not a number of bytes"),
        ("parent=eth0", "'parent' is not known; known are com.docker.network.bridge.name"),
        ("=x", "'=x' is not NAME=VALUE"),
    ],
)
def test_an_option_that_can_not_be_is_named(option: str, message: str) -> None:
    with pytest.raises(Failure, match=message):
        apply_options(resource_pb2.NetworkSpec(), [option])


def _network(name: str, **labels: str) -> resource_pb2.Resource:
    resource = resource_pb2.Resource(kind="Network")
    resource.metadata.name, resource.metadata.uid = name, "abc" + name
    resource.metadata.labels.update(labels)
    return resource


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("name=sho", ["shop"]),
        ("id=abcb", ["back"]),
        ("driver=bridge", ["shop", "back"]),
        ("label=tier", ["back"]),
        ("label=tier=db", ["back"]),
        ("label=tier=web", []),
        ("dangling=true", ["back"]),
        ("dangling=false", ["shop"]),
    ],
)
def test_filters(text: str, found: list[str]) -> None:
    test = read_filter(text, {"shop"})
    networks = [_network("shop"), _network("back", tier="db")]
    assert [each.metadata.name for each in networks if test(each)] == found


def test_a_filter_that_is_not_known_is_named() -> None:
    with pytest.raises(Failure, match=r"--filter 'scope=local' is not known: write name=TEXT"):
        read_filter("scope=local", set())
