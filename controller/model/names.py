"""Kernel names, derived from ids alone, so that any daemon finds again what an earlier one made.

Link names have at most 15 characters (IFNAMSIZ, linux/if.h), chain names at most 28
(XT_EXTENSION_MAXNAMELEN, linux/netfilter/x_tables.h).
"""

import hashlib

from controller.model.ids import Uid

HOST_LINK_PREFIX = "hv"
BRIDGE_PREFIX = "hold-"
EXTENSION_PREFIX, JOINT_PREFIX = "hx", "hj"
ADMIN_CHAIN = "HOLD-USER"
DEFAULT_INSTANCE = "hold"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def derive_host_link(container: Uid, network: Uid) -> str:
    """Return the name of the host's end of the veth pair that joins `container` to `network`."""
    return HOST_LINK_PREFIX + _digest(container, network)[:13]


def derive_bridge(network: Uid) -> str:
    """Return the name of a network's bridge, unless its spec names one."""
    return BRIDGE_PREFIX + network[:10]


def derive_extension(network: Uid, number: int) -> str:
    """Return the name of a further bridge of a network, for ports that the first one has no room for."""
    return EXTENSION_PREFIX + _digest("extension", network, str(number))[:13]


def derive_joint(network: Uid, number: int) -> tuple[str, str]:
    """Return the names of the pair that joins a further bridge to the first: the first one's end, then the other."""
    digest = _digest("joint", network, str(number))[:12]
    return f"{JOINT_PREFIX}{digest}a", f"{JOINT_PREFIX}{digest}b"


def derive_mac(container: Uid, network: Uid) -> str:
    """Return a locally administered unicast address, stable for the pair."""
    return _spell_mac("mac", container, network)


def derive_place_mac(network: Uid, address: str) -> str:
    """Return a locally administered unicast address, stable for an address of a network.

    Whoever is given an address next has the MAC that neighbours remember for it: they would ask the old one for half a
    minute otherwise.
    """
    return _spell_mac("place", network, address)


def derive_outer_mac(host_link: str) -> str:
    """Return the locally administered unicast address of the host's end of a pair."""
    return _spell_mac("outer", host_link)


def _spell_mac(*words: str) -> str:
    digest = _digest(*words)
    return ":".join(["02", *(digest[i : i + 2] for i in range(0, 10, 2))])


def derive_link_alias(instance: str, owner: Uid) -> str:
    """Return the alias (IFLA_IFALIAS) that marks a link as made by `instance` for `owner`."""
    return f"hold:{instance}:{owner}"


def derive_extension_alias(instance: str, network: Uid, bridge: str) -> str:
    """Return the alias that marks a further bridge of a network, and what joins it to the first, which is `bridge`."""
    return f"{derive_link_alias(instance, network)}/{bridge}"


def derive_chain(instance: str, role: str) -> str:
    """Return the iptables chain of `instance` for `role` (FORWARD, DNAT, ...); at most 28 characters."""
    if instance == DEFAULT_INSTANCE:
        return f"HOLD-{role}"
    return f"HOLD-{_digest(instance)[:6]}-{role}"


def derive_cgroup(instance: str, container: Uid) -> str:
    """Return the container's cgroup, relative to each hierarchy's root, with a leading slash."""
    return f"/{instance}/{container}"
