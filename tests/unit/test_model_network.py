"""What a network can be told of its addresses, and what contradicts itself."""

import pytest
from pydantic import ValidationError

from controller.model.attachments import NetworkAttachment
from controller.model.container import ContainerSpec
from controller.model.network import NetworkSpec
from controller.model.ports import PortMapping
from controller.model.short_forms import parse_port


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"subnets": ["10.0.0.0/24", "10.1.0.0/24"]}, "are of one family"),
        ({"subnets": ["fd00::/64", "fd01::/64"]}, "are of one family"),
        ({"subnets": ["fd00::/127"]}, "no room for a gateway"),
        ({"subnets": ["fe80::/64"]}, "can't be a network's, for fe80::/10 is link-local: use a private subnet"),
        ({"subnets": ["127.0.0.0/8"]}, "for 127.0.0.0/8 is the loopback"),
        ({"subnets": ["0.0.0.0/0"]}, "can't be a network's"),
        ({"subnets": ["240.1.0.0/16"]}, "for 240.0.0.0/4 is reserved"),
        ({"subnets": ["224.0.1.0/24"]}, "is multicast"),
        ({"subnets": ["::ffff:0:0/96"]}, "for ::/8 is reserved"),
        ({"subnets": ["ff02::/64"]}, "can't be a network's"),
        ({"subnets": ["fd00::1/64"]}, "has host bits set"),
        ({"subnets": ["x"]}, "is not a subnet such as"),
        ({"enableIPv4": False}, "both off"),
        ({"enableIPv4": False, "subnets": ["10.0.0.0/24", "fd00::/64"]}, "enableIPv4 is off and subnets has"),
        ({"ipv6Gateway": "fd00::1"}, "ipv6Gateway needs subnets"),
        ({"subnets": ["10.0.0.0/24"], "ipv6Range": "fd00::/64"}, "ipv6Range needs subnets"),
        ({"subnets": ["10.0.0.0/24"], "reservedAddresses": {"a": "fd00::1"}}, "reservedAddresses needs subnets"),
        ({"subnets": ["fd00::/64"], "ipv6Gateway": "fd00::"}, "is not a host address"),
        ({"subnets": ["fd00::/64"], "ipv6Gateway": "fd01::1"}, "is not a host address"),
        ({"subnets": ["fd00::/64"], "ipv6Range": "fd00::/63"}, "is not a part of subnet"),
        ({"subnets": ["fd00::/64"], "ipv6Gateway": "fe80::1%eth0"}, "names a link"),
        ({"subnets": ["fd00::/64"], "ipv6Gateway": "fd00::5", "reservedAddresses": {"a": "fd00::5"}}, "is one of reservedAddresses"),
        ({"subnets": ["fd00::/64"], "mtu": 1279}, "too small for IPv6"),
        ({"defaultGateway": "10.0.0.9"}, "defaultGateway needs subnets"),
        ({"subnets": ["10.0.0.0/24"], "defaultGateway": "10.0.1.9"}, "defaultGateway 10.0.1.9 is not a host address of subnet"),
        ({"subnets": ["fd00::/64"], "ipv6DefaultGateway": "fd00::9", "reservedAddresses": {"a": "fd00::9"}}, "ipv6DefaultGateway fd00::9 is one of reservedAddresses"),
        ({"driver": "macvlan", "subnets": ["10.0.0.0/24"], "defaultGateway": "10.0.0.9"}, "defaultGateway is for networks of driver bridge"),
        ({"hostBinding": "::1"}, "can't be led to a container"),
    ],
)  # fmt: skip
def test_a_contradiction_is_told(fields: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        NetworkSpec.model_validate(fields)


def test_addresses_of_ipv6_are_spelled_one_way() -> None:
    spec = NetworkSpec.model_validate(
        {
            "subnets": ["FD00:0::/64"],
            "ipv6Gateway": "fd00::0:5",
            "reservedAddresses": {"last": "fd00::ffff:ffff:ffff:ffff"},
        }
    )
    assert (spec.subnets, spec.ipv6_gateway) == (("fd00::/64",), "fd00::5")
    assert spec.has_ipv6
    assert not NetworkSpec().has_ipv6


@pytest.mark.parametrize(
    ("short", "host_ip", "text"),
    [
        ("[::]:8080:80", "::", "[::]:8080->80/tcp"),
        ("[2001:DB8::1]::80/udp", "2001:db8::1", "[2001:db8::1]:0->80/udp"),
        ("0.0.0.0:8080:80", "0.0.0.0", "0.0.0.0:8080->80/tcp"),
        ("8080:80", "", "*:8080->80/tcp"),
    ],
)
def test_a_port_can_name_an_address_of_either_family(short: str, host_ip: str, text: str) -> None:
    (fields,) = parse_port(short)
    port = PortMapping.model_validate(fields)
    assert port.host_ip == host_ip
    assert str(port) == text
    assert [port.is_on(family) for family in (4, 6)] == [":" not in host_ip, ":" in host_ip or not host_ip]


def test_ranges_of_ports() -> None:
    assert [each["hostPort"] for each in parse_port("0:80-81")] == [0, 0]
    (one,) = parse_port("127.0.0.1:7000-7009:80/udp")
    assert one == {
        "hostIP": "127.0.0.1",
        "protocol": "udp",
        "containerPort": 80,
        "hostPort": 7000,
        "hostPortEnd": 7009,
    }
    assert list(PortMapping.model_validate(one).choices) == list(range(7000, 7010))
    assert [(each["hostPort"], each["containerPort"]) for each in parse_port("90-91:80-81")] == [
        (90, 80),
        (91, 81),
    ]
    with pytest.raises(ValueError, match="2 host ports can't lead to 3 container ports"):
        parse_port("90-91:80-82")
    for end in ({"hostPortEnd": 80}, {"hostPort": 90, "hostPortEnd": 80}):
        with pytest.raises(ValidationError, match="hostPortEnd 80 is not after hostPort"):
            PortMapping.model_validate({"containerPort": 1, **end})


def test_names_of_links_in_containers() -> None:
    assert NetworkAttachment.model_validate({"name": "n", "interfaceName": "wan0"}).interface_name == "wan0"
    for wrong, told in (
        ("lo", "is the loopback's"),
        ("a/b", "not a link name"),
        ("averyverylongname", "not a link name"),
    ):
        with pytest.raises(ValidationError, match=told):
            NetworkAttachment.model_validate({"name": "n", "interfaceName": wrong})
    both = [{"name": each, "interfaceName": "wan0"} for each in "ab"]
    with pytest.raises(ValidationError, match="networks has an interfaceName twice: wan0"):
        ContainerSpec.model_validate({"image": "a:1", "networks": both})
