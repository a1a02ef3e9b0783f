"""What the daemon's settings say of networks: pools, the default bridge."""

from pathlib import Path

import pytest

from controller.errors import Invalid
from controller.settings import Settings, load_settings


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


def test_flags_and_variables() -> None:
    flags = {"address_pool": "10.0.0.0/16, 10.2.0.0/16", "ipv6": "true"}
    settings = load_settings(flags, {"HOLD_ADDRESS_POOL_IPV6": "fd00:1::/48"})
    assert settings.address_pool == ("10.0.0.0/16", "10.2.0.0/16")
    assert settings.address_pool_ipv6 == "fd00:1::/48"
    assert settings.ipv6


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("bip: 172.20.0.0/16", "is not a host address of subnet"),
        ("bip: 172.20.0.1", "has no prefix"),
        ("bip: fd00::1/64", "is not an address with its prefix"),
        ("bip: 172.20.0.1/16\nfixedCidr: 172.21.0.0/24", "ipRange 172.21.0.0/24 is not a part of subnet"),
        ("fixedCidrV6: fd00::/64", "fixedCidrV6 fd00::/64 needs ipv6: true"),
        ("ipv6: true\nfixedCidrV6: x", "'x' is not a subnet"),
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
