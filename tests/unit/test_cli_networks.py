"""`hold network`: Docker's options become fields of the spec, lists are filtered."""

import argparse

import pytest

from controller.api.v1 import resource_pb2
from controller.cli.addresses import render_addresses, render_ports
from controller.cli.client import Failure
from controller.cli.network_create import add_flags, apply_options, read_spec
from controller.cli.network_filters import read_filters

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


def read(*arguments: str) -> resource_pb2.NetworkSpec:
    parser = argparse.ArgumentParser()
    add_flags(parser)
    return read_spec(parser.parse_args([*arguments, "shop"]))


def test_flags_are_sorted_by_family() -> None:
    spec = read(
        *("--subnet", "fd00:77::/64", "--subnet", "10.77.0.0/24", "--gateway", "10.77.0.9", "--gateway"),
        *("fd00:77::9", "--ip-range", "fd00:77::8:0/112", "--aux-address", "router=fd00:77::5"),
        *("--aux-address", "DefaultGatewayIPv4=10.77.0.5", "--aux-address", "DefaultGatewayIPv6=fd00:77::6"),
    )
    assert spec == resource_pb2.NetworkSpec(
        driver="bridge",
        subnets=["fd00:77::/64", "10.77.0.0/24"],
        gateway="10.77.0.9",
        ipv6_gateway="fd00:77::9",
        ipv6_range="fd00:77::8:0/112",
        reserved_addresses={"router": "fd00:77::5"},
        default_gateway="10.77.0.5",
        ipv6_default_gateway="fd00:77::6",
    )
    with pytest.raises(Failure, match=r"--gateway: 10\.0\.0\.1 and 10\.0\.0\.2 are of one family"):
        read("--gateway", "10.0.0.1", "--gateway", "10.0.0.2")


@pytest.mark.parametrize(
    ("arguments", "ipv4", "ipv6"),
    [
        ((), None, False),
        (("--ipv6",), None, True),
        (("--ipv6", "--no-ipv4"), False, True),
        (("-o", f"{DOCKER}.enable_ipv6=true", "-o", f"{DOCKER}.enable_ipv4=false"), False, True),
    ],
)
def test_families(arguments: tuple[str, ...], ipv4: bool | None, *, ipv6: bool) -> None:
    spec = read(*arguments)
    assert (spec.enable_ipv4 if spec.HasField("enable_ipv4") else None, spec.enable_ipv6) == (ipv4, ipv6)


def place(**fields: str) -> dict[str, str]:
    return {"name": "shop", **fields}


@pytest.mark.parametrize(
    ("networks", "host_ip", "shown"),
    [
        ([place(ipv4="10.0.0.2", gateway="10.0.0.1")], "", ["0.0.0.0:80->1/tcp"]),
        (
            [place(ipv4="10.0.0.2", gateway="10.0.0.1", ipv6="fd00::2", ipv6Gateway="fd00::1")],
            "",
            ["0.0.0.0:80->1/tcp", "[::]:80->1/tcp"],
        ),
        ([place(ipv6="fd00::2", ipv6Gateway="fd00::1")], "", ["[::]:80->1/tcp"]),
        ([place(ipv4="10.0.0.2", ipv6="fd00::2")], "fd00::9", ["[fd00::9]:80->1/tcp"]),
        ([], "", ["0.0.0.0:80->1/tcp"]),
    ],
)
def test_ports_are_shown_by_the_families_that_lead_to_them(
    networks: list[dict[str, str]], host_ip: str, shown: list[str]
) -> None:
    port = {"hostIP": host_ip, "hostPort": 80, "containerPort": 1}
    status = {"networks": networks, "ports": [port]}
    assert list(render_ports(status)) == shown
    addresses = [f"shop={each[name]}" for each in networks for name in ("ipv4", "ipv6") if name in each]
    assert list(render_addresses(status)) == addresses


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
        ("id=abcb", ["back", "bridge"]),
        ("driver=bridge", ["shop", "back", "bridge"]),
        ("label=tier", ["back"]),
        ("label=tier=db", ["back"]),
        ("label=tier=web", []),
        ("label=tier label=x", []),
        ("name=^b", ["back", "bridge"]),
        ("name=back name=^shop$", ["shop", "back"]),
        ("name=*", []),
        ("scope=local", ["shop", "back", "bridge"]),
        ("scope=swarm", []),
        ("type=custom", ["shop", "back"]),
        ("type=builtin", ["bridge"]),
        ("dangling=true", ["back"]),
        ("dangling=0", ["shop", "bridge"]),
        ("driver=bridge driver=macvlan name=shop", ["shop"]),
    ],
)
def test_filters(text: str, found: list[str]) -> None:
    passes = read_filters(text.split(), {"shop"})
    networks = [_network("shop"), _network("back", tier="db"), _network("bridge")]
    assert [each.metadata.name for each in networks if passes(each)] == found


@pytest.mark.parametrize("text", ["scope=x", "type=x", "dangling=maybe", "bogus=1", "name"])
def test_a_filter_that_is_not_known_is_named(text: str) -> None:
    with pytest.raises(Failure, match=rf"--filter '{text}' is not known: write name=PATTERN"):
        read_filters([text], set())


def test_neighbouring_ports_are_shown_as_one_range() -> None:
    pairs = [(80, 1), (81, 2), (82, 3), (84, 4), (85, 6), (86, 7)]
    ports = [{"hostIP": "", "hostPort": outer, "containerPort": inner} for outer, inner in pairs]
    ports += [{"hostPort": 87, "containerPort": 8, "protocol": "udp"}]
    assert list(render_ports({"ports": ports})) == [
        "0.0.0.0:80-82->1-3/tcp",
        "0.0.0.0:84->4/tcp",
        "0.0.0.0:85-86->6-7/tcp",
        "0.0.0.0:87->8/udp",
    ]
