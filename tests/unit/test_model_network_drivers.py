"""Drivers of networks: what each can be told, and how it says no."""

import pytest
from pydantic import ValidationError

from controller.model.network import NetworkSpec
from controller.model.network_drivers import Sublink, Vlan, derive_sublink, parse_vlan


@pytest.mark.parametrize(
    ("driver", "options", "sublink"),
    [
        ("bridge", {}, None),
        ("weave", {"parent": "eth0"}, None),
        ("macvlan", {}, Sublink(kind="macvlan", parent="eth0", mode="bridge")),
        ("macvlan", {"macvlan_mode": "vepa"}, Sublink(kind="macvlan", parent="eth0", mode="vepa")),
        ("ipvlan", {}, Sublink(kind="ipvlan", parent="eth0", mode="l2", flag="bridge")),
        (
            "ipvlan",
            {"ipvlan_mode": "l3s", "ipvlan_flag": "private"},
            Sublink(kind="ipvlan", parent="eth0", mode="l3s", flag="private"),
        ),
    ],
)
def test_options_tell_how_links_hang(driver: str, options: dict[str, str], sublink: Sublink | None) -> None:
    assert derive_sublink(driver, options, "eth0") == sublink


@pytest.mark.parametrize(
    ("name", "vlan"),
    [
        ("eth0.50", Vlan(lower="eth0", id=50)),
        ("br.lan.4094", Vlan(lower="br.lan", id=4094)),
        ("eth0", None),
        ("eth0.", None),
        ("eth0.0", None),
        ("eth0.4095", None),
        ("eth0.lan", None),
        (".50", None),
    ],
)
def test_a_name_with_a_number_stands_for_a_vlan(name: str, vlan: Vlan | None) -> None:
    assert parse_vlan(name) == vlan


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"driverOptions": {"parent": "eth0"}}, "driverOptions has parent, and a bridge takes none"),
        ({"driver": "macvlan", "driverOptions": {"perent": "eth0"}}, "'perent', which macvlan does not know"),
        ({"driver": "macvlan", "driverOptions": {"macvlan_mode": "l2"}}, "none of bridge, private, vepa"),
        ({"driver": "macvlan", "driverOptions": {"ipvlan_mode": "l2"}}, "macvlan does not know"),
        ({"driver": "ipvlan", "driverOptions": {"ipvlan_mode": "l4"}}, "'l4' is none of l2, l3, l3s"),
        ({"driver": "ipvlan", "driverOptions": {"ipvlan_flag": "on"}}, "none of bridge, private, vepa"),
        ({"driver": "macvlan", "driverOptions": {"parent": "a/b"}}, "is not a link name"),
        ({"driver": "macvlan", "driverOptions": {"parent": "lo"}}, "lo can't be a parent"),
        ({"driver": "macvlan", "bridgeName": "br0"}, "bridgeName is for networks of driver bridge"),
        ({"driver": "ipvlan", "hostBinding": "127.0.0.1"}, "hostBinding is for networks of driver bridge"),
        ({"driver": "weave", "interContainer": False}, "interContainer: false is for networks of driver"),
        ({"driver": "no driver"}, "is not a name"),
    ],
)
def test_what_a_driver_can_not_be_told_is_named(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        NetworkSpec.model_validate(fields)
    assert message in str(caught.value)


def test_a_plugin_is_told_whatever_it_knows() -> None:
    spec = NetworkSpec.model_validate({"driver": "weave", "driverOptions": {"color": "blue"}})
    assert spec.driver_options == {"color": "blue"}
