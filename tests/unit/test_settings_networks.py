"""What the daemon's settings say of networks: pools, the default bridge."""

from pathlib import Path

import pytest

from controller.errors import Invalid
from controller.model.container import ContainerSpec
from controller.plan.host import derive_host
from controller.plan.names import NamesRenderer
from controller.plan.oci.defaults import ContainerDefaults
from controller.plan.oci.files import render_resolv_conf
from controller.plan.oci.surroundings import HostTexts
from controller.plan.rules import RulesRenderer
from controller.settings import Settings, load_settings
from tests.unit.admission_scenario import apply, container, image, network


def load(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "daemon.yaml"
    path.write_text(text)
    return load_settings({"config": str(path)}, {})


def test_the_default_bridge_is_told_in_the_words_of_docker(tmp_path: Path) -> None:
    text = "bip: 172.20.0.1/16\nfixedCidr: 172.20.5.0/24\nipv6: true\nfixedCidrV6: fd00:20::/64\nmtu: 1400"
    spec = load(tmp_path, text).default_network
    assert spec.subnets == ("172.20.0.0/16", "fd00:20::/64")
    assert (spec.gateway, spec.ip_range, spec.mtu) == ("172.20.0.1", "172.20.5.0/24", 1400)
    assert spec.has_ipv6


def test_what_is_left_out_comes_from_the_pools(tmp_path: Path) -> None:
    assert load(tmp_path, "").default_network.subnets == ()
    assert not load(tmp_path, "").default_network.has_ipv6
    assert load(tmp_path, "ipv6: true").default_network.has_ipv6
    assert load(tmp_path, "fixedCidr: 172.20.5.0/24").default_network.subnets == ("172.20.5.0/24",)


def test_routers_bindings_and_neighbours_of_the_default_bridge(tmp_path: Path) -> None:
    text = (
        "bip: 172.20.0.1/16\ndefaultGateway: 172.20.0.9\nipv6: true\nbip6: fd00:20::1/64\nfixedCidrV6: fd00:20::8000/113\n"
        "defaultGatewayV6: fd00:20::9\nicc: false\nipMasq: false\nip: 127.0.0.1"
    )
    spec = load(tmp_path, text).default_network
    assert (spec.default_gateway, spec.ipv6_default_gateway) == ("172.20.0.9", "fd00:20::9")
    assert (spec.ipv6_gateway, spec.ipv6_range) == ("fd00:20::1", "fd00:20::8000/113")
    assert (spec.inter_container, spec.masquerade, spec.host_binding) == (False, False, "127.0.0.1")


def test_names_are_asked_as_the_settings_say_unless_a_container_does(tmp_path: Path) -> None:
    text = "dns: [192.0.2.1, '2001:db8::1']\ndnsSearch: [corp.example]\ndnsOpts: [ndots:2]"
    host = HostTexts(
        resolv_conf="nameserver 198.51.100.1\n", defaults=load(tmp_path, text).container_defaults
    )
    plain = ContainerSpec(image="x")
    told = "search corp.example\nnameserver 192.0.2.1\nnameserver 2001:db8::1\noptions ndots:2\n"
    assert render_resolv_conf(plain, (), host) == told
    own = ContainerSpec(image="x", dns=("192.0.2.7",), dns_search=(".",), dns_opt=("debug",))
    assert render_resolv_conf(own, (), host) == "nameserver 192.0.2.7\noptions debug\n"
    inside = render_resolv_conf(plain, ("10.77.0.1",), host)
    assert inside == "search corp.example\nnameserver 10.77.0.1\noptions ndots:2\n"


def test_the_name_server_asks_those_of_the_settings() -> None:
    state = apply(
        {},
        image(),
        network("n"),
        container("own", networks=["n"], dns=["192.0.2.7"]),
        container("x", networks=["n"]),
    )
    defaults = ContainerDefaults(dns=("192.0.2.1",))
    zones = derive_host(state, defaults, rules=RulesRenderer("hold"), names=NamesRenderer()).names.zones
    assert {host.names[0]: host.upstreams for host in zones[0].hosts} == {
        "own": ("192.0.2.7",),
        "x": ("192.0.2.1",),
    }


def test_flags_and_variables() -> None:
    flags = {"address_pool": "10.0.0.0/16, 10.2.0.0/16", "ipv6": "true"}
    settings = load_settings(flags, {"HOLD_ADDRESS_POOL_IPV6": "fd00:1::/48"})
    assert settings.address_pool == ("10.0.0.0/16", "10.2.0.0/16")
    assert settings.address_pool_ipv6 == "fd00:1::/48"
    assert settings.ipv6


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "bip: 172.20.0.0/16",
            "daemon.yaml: bip: bip 172.20.0.0 is not a host address of subnet 172.20.0.0/16",
        ),
        ("bip: 172.20.0.1", "has no prefix"),
        ("bip: fd00::1/64", "is not an address with its prefix"),
        (
            "bip: 172.20.0.1/16\nfixedCidr: 172.21.0.0/24",
            "fixedCidr: fixedCidr 172.21.0.0/24 is not a part of subnet 172.20.0.0/16",
        ),
        ("bip: 172.20.0.1/31", "daemon.yaml: bip: bip, fixedCidr: '172.20.0.0/31' has no room for a gateway"),
        ("fixedCidr: fd00::/64", "fixedCidr: 'fd00::/64' is not an IPv4 range"),
        ("bip6: fd00::1/64", "bip6 fd00::1/64 needs ipv6: true"),
        (
            "ipv6: true\nbip6: 10.0.0.1/8",
            "bip6: '10.0.0.1/8' is not an address with its prefix, such as fd00:20::1/64",
        ),
        ("ipv6: true\nbip6: fd00::1", "'fd00::1' has no prefix: write one, such as fd00::1/64"),
        (
            "ipv6: true\nbip6: fd00::1/64\nfixedCidrV6: fd01::/65",
            "fixedCidrV6 fd01::/65 is not a part of subnet fd00::/64",
        ),
        (
            "defaultGateway: 10.0.0.1",
            "defaultGateway: defaultGateway 10.0.0.1 needs bip: name the subnet that it is in",
        ),
        ("defaultGateway: x", "defaultGateway: 'x' is not an IPv4 address"),
        (
            "bip: 172.20.0.1/16\ndefaultGateway: 172.21.0.9",
            "defaultGateway 172.21.0.9 is not a host address of subnet 172.20.0.0/16",
        ),
        ("defaultGatewayV6: fd00::9", "defaultGatewayV6 fd00::9 needs ipv6: true"),
        (
            "ipv6: true\nfixedCidrV6: fd00::/64\ndefaultGatewayV6: fd01::9",
            "defaultGatewayV6 fd01::9 is not a host address of subnet fd00::/64",
        ),
        ("ip: 10.0.0", "ip: '10.0.0' is not an IPv4 address"),
        (
            "ip: '::1'",
            "ip ::1 can't be led to a container: the kernel drops what comes back to it by a bridge",
        ),
        ("dns: [8.8.8.8, x]", "dns: 1: 'x' "),
        ("dnsSearch: [a b]", "dnsSearch: 0: "),
        ("dnsOpts: ['a b']", "dnsOpts: 0: "),
        ("icc: maybe", "icc: "),
        ("fixedCidrV6: fd00::/64", "fixedCidrV6 fd00::/64 needs ipv6: true"),
        ("ipv6: true\nfixedCidrV6: x", "fixedCidrV6: 'x' is not an IPv6 range"),
        ("ipv6: true\nmtu: 1000", "mtu 1000 is too small for IPv6"),
        ("mtu: 10", "mtu"),
        ("addressPool: 10.0.0.0/24", "addressPoolPrefix 22 does not fit into 10.0.0.0/24"),
        ("addressPool: []", "addressPool"),
        ("addressPoolIPv6: 10.0.0.0/8", "is not an IPv6 network"),
        ("addressPoolIPv6: fd00::/65", "has no room for a /64"),
    ],
)
def test_a_wrong_one_is_named(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(Invalid, match=told):
        load(tmp_path, text)
