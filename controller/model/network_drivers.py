"""What makes a network: bridges, links below a parent link (macvlan, ipvlan), plugins; and their options.

Names and values of options are Docker's.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

BRIDGE, MACVLAN, IPVLAN = "bridge", "macvlan", "ipvlan"
BUILT_IN_DRIVERS = (BRIDGE, MACVLAN, IPVLAN)

SublinkKind = Literal["macvlan", "ipvlan"]
MACVLAN_MODES = ("bridge", "private", "vepa", "passthru")
IPVLAN_MODES = ("l2", "l3", "l3s")
IPVLAN_FLAGS = ("bridge", "private", "vepa")
DEFAULT_MTU = 1500
"""What the kernel gives to bridges and their ports."""
MOST_VLAN_ID = 4094

_OPTIONS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    MACVLAN: {"macvlan_mode": MACVLAN_MODES},
    IPVLAN: {"ipvlan_mode": IPVLAN_MODES, "ipvlan_flag": IPVLAN_FLAGS},
}
"""Options by driver, with their values; the first is the default."""
_PARENT = "parent"
_LINK_NAME = re.compile(r"[^\s/:]{1,15}")
_VLAN = re.compile(r"(?P<lower>.+)\.(?P<id>[0-9]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sublink:
    """How containers' links hang below a parent link. `flag` is that of ipvlan, empty for macvlan."""

    kind: SublinkKind
    parent: str
    mode: str
    flag: str = ""

    @property
    def shares_mac(self) -> bool:
        """Whether containers have the parent's MAC, and can have no other."""
        return self.kind == IPVLAN or self.mode == "passthru"

    @property
    def routes_by_link(self) -> bool:
        """Whether the default route has no next hop: the host's own routes decide (ipvlan l3)."""
        return self.kind == IPVLAN and self.mode != "l2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vlan:
    """A VLAN of a link, named `lower.id`."""

    lower: str
    id: int


def parse_vlan(name: str) -> Vlan | None:
    """Return the VLAN that a parent's name stands for where no link has the name; None when it is none."""
    found = _VLAN.fullmatch(name)
    if found is None or not 1 <= int(found["id"]) <= MOST_VLAN_ID:
        return None
    return Vlan(lower=found["lower"], id=int(found["id"]))


def is_plugin(driver: str) -> bool:
    """Tell whether the driver is a plugin's."""
    return driver not in BUILT_IN_DRIVERS


def check_driver_options(driver: str, options: Mapping[str, str]) -> None:
    """Refuse options that the driver does not know; a plugin knows its own. ValueError tells which are known."""
    if driver == BRIDGE and options:
        names = ", ".join(sorted(options))
        raise ValueError(
            f"driverOptions has {names}, and a bridge takes none: what it can be told has fields of its own"
        )
    if driver not in _OPTIONS:
        return
    known = (_PARENT, *_OPTIONS[driver])
    for name, value in options.items():
        if name not in known:
            raise ValueError(
                f"driverOptions has {name!r}, which {driver} does not know; known are {', '.join(known)}"
            )
        if name != _PARENT and value not in _OPTIONS[driver][name]:
            allowed = ", ".join(_OPTIONS[driver][name])
            raise ValueError(f"driverOptions.{name} {value!r} is none of {allowed}")
    if _PARENT in options:
        _check_parent(options[_PARENT])


def _check_parent(name: str) -> None:
    if not _LINK_NAME.fullmatch(name) or name in (".", ".."):
        raise ValueError(
            f"driverOptions.parent {name!r} is not a link name: use 1 to 15 characters without space, / and :"
        )
    if name == "lo":
        raise ValueError("driverOptions.parent lo can't be a parent: name a link such as eth0")


def derive_sublink(driver: str, options: Mapping[str, str], parent: str) -> Sublink | None:
    """Return how containers' links hang below `parent`; None for other drivers. Options have been checked."""
    if driver not in _OPTIONS:
        return None
    chosen = {name: options.get(name, values[0]) for name, values in _OPTIONS[driver].items()}
    return Sublink(
        kind=cast("SublinkKind", driver),
        parent=parent,
        mode=chosen[f"{driver}_mode"],
        flag=chosen.get("ipvlan_flag", ""),
    )


def find_parent(options: Mapping[str, str]) -> str:
    """Return the parent that options name; empty when hold has to make one that leads nowhere."""
    return options.get(_PARENT, "")
