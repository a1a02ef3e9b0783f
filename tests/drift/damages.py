"""What a hand can do behind hold's back: commands, each on the host or in a container's network."""

from collections.abc import Iterator
from dataclasses import dataclass

BRIDGE, APART = "hold-front", "hold-apart"


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """Commands of a shell; `inside` is the container in whose network they run, empty for the host.

    `$link` is the host's end of the container's link to the first network.
    """

    script: str
    inside: str = ""

    @property
    def name(self) -> str:
        return f"{self.inside}: {self.script}" if self.inside else self.script


_HOST = (
    # Bridges
    f"ip link del {BRIDGE}",
    f"ip link del {APART}",
    f"ip link set {BRIDGE} down",
    f"ip link set {BRIDGE} mtu 1300",
    f"ip link set {APART} mtu 1500",
    f"ip link set {BRIDGE} arp off",
    f"ip link set {BRIDGE} address 02:de:ad:be:ef:01",
    f"ip link set {BRIDGE} name other0",
    f"ip link set {BRIDGE} alias nobody",
    f"ip link set {BRIDGE} type bridge vlan_filtering 1; bridge vlan del dev $link vid 1",
    f"ip link set {BRIDGE} type bridge stp_state 1",
    f"ip link set {BRIDGE} type bridge ageing_time 100",
    f"ip link set {BRIDGE} type bridge group_fwd_mask 8",
    f"ip address flush dev {BRIDGE}",
    f"ip address del 10.81.0.1/24 dev {BRIDGE}",
    f"ip address add 10.99.0.1/24 dev {BRIDGE}",
    f"ip -6 address del fd81::1/64 dev {BRIDGE}",
    f"ip -6 address add fd99::1/64 dev {BRIDGE} nodad",
    "ip route del 10.81.0.0/24",
    f"ip route replace 10.81.0.0/24 dev {APART} src 10.82.0.1",
    f"ip -6 route del fd81::/64 dev {BRIDGE}",
    # The host's ends of links
    "ip link del $link",
    "ip link set $link down",
    "ip link set $link nomaster",
    "ip link set $link master foreign0",
    f"ip link set $link master {APART}",
    "ip link set $link mtu 1300",
    "ip link set $link address 02:de:ad:be:ef:02",
    "ip link set $link name other1",
    "ip link set $link alias nobody",
    "bridge link set dev $link hairpin off",
    "bridge link set dev $link isolated on",
    "bridge link set dev $link learning off flood off",
    "bridge link set dev $link state 0",
    "bridge link set dev $link guard on",
    "bridge link set dev $link mcast_flood off bcast_flood off",
    "bridge link set dev $link neigh_suppress on",
    # Settings
    "sysctl -qw net.ipv4.ip_forward=0",
    f"sysctl -qw net.ipv4.conf.{BRIDGE}.route_localnet=0",
    f"sysctl -qw net.ipv4.conf.{BRIDGE}.forwarding=0",
    f"sysctl -qw net.ipv6.conf.{BRIDGE}.disable_ipv6=1",
    f"sysctl -qw net.ipv6.conf.{BRIDGE}.forwarding=0",
    # Rules
    "iptables -F",
    "iptables -t nat -F",
    "iptables -t nat -F; iptables -t nat -X",
    "ip6tables -F",
    "ip6tables -t nat -F",
    "nft delete table ip nat",
    "iptables -F HOLD-FORWARD",
    "iptables -t nat -F HOLD-DNAT",
    "iptables -I HOLD-FORWARD -j DROP",
    "iptables -t nat -I HOLD-DNAT -j RETURN",
    "iptables -I FORWARD -j ACCEPT -m comment --comment over",
    "iptables -E HOLD-INPUT HOLD-OTHER",
    "iptables -R HOLD-APART 1 -j RETURN",
)
_INSIDE = (
    "ip link del eth0",
    "ip link set eth0 down",
    "ip link set eth0 mtu 1300",
    "ip link set eth0 arp off",
    "ip link set eth0 down; ip link set eth0 name other9; ip link set other9 up",
    "ip link set eth0 down; ip link set eth0 address 02:de:ad:be:ef:03; ip link set eth0 up",
    "ip link set lo down",
    "ip address flush dev eth0",
    "ip address add 10.99.0.9/24 dev eth0",
    "ip -6 address flush dev eth0 scope global",
    "ip address del 127.0.0.1/8 dev lo",
    "ip route del default",
    "ip route replace default via 10.81.0.77",
    "ip -6 route del default",
    "ip route del 10.81.0.0/24",
)


def list_damages() -> Iterator[Damage]:
    """Yield everything that a hand can do."""
    for script in _HOST:
        yield Damage(script=script)
    for script in _INSIDE:
        yield Damage(script=script, inside="web")
