"""Networks, and containers' places on them, by the names that Docker's `inspect` gives their fields."""

from collections.abc import Mapping
from typing import Any

from controller.cli.addresses import list_port_hosts

Document = Mapping[str, Any]

_POOL_FIELDS = (("subnet", "gateway", "ipRange"), ("ipv6Subnet", "ipv6Gateway", "ipv6Range"))
_PLACE_FIELDS = (
    "IPAddress", "IPPrefixLen", "MacAddress", "Gateway", "GlobalIPv6Address", "GlobalIPv6PrefixLen", "IPv6Gateway",
)  # fmt: skip
_BRIDGE = "com.docker.network.bridge"
_OPTION_FIELDS = {
    "bridgeName": f"{_BRIDGE}.name",
    "interContainer": f"{_BRIDGE}.enable_icc",
    "masquerade": f"{_BRIDGE}.enable_ip_masquerade",
    "hostBinding": f"{_BRIDGE}.host_binding_ipv4",
    "mtu": "com.docker.network.driver.mtu",
}


def view_network(document: Document) -> dict[str, Any]:
    """Return Docker's fields of a network."""
    spec, status = document.get("spec", {}), document.get("status", {})
    return {
        "EnableIPv4": spec.get("enableIPv4", True),
        "EnableIPv6": bool(status.get("ipv6Subnet")),
        "Driver": spec.get("driver", "bridge"),
        "Scope": "local",
        "Internal": spec.get("internal", False),
        "Attachable": False,
        "Ingress": False,
        "ConfigOnly": False,
        "ConfigFrom": {"Network": ""},
        "Options": spec.get("driverOptions", {}) | _view_options(spec),
        "Containers": {
            each["uid"]: {
                "Name": name,
                "EndpointID": each["uid"],
                "MacAddress": each["mac"],
                "IPv4Address": _add_prefix(each.get("ipv4", ""), status.get("subnet", "")),
                "IPv6Address": _add_prefix(each.get("ipv6", ""), status.get("ipv6Subnet", "")),
            }
            for name, each in document.get("containers", {}).items()
        },
        "IPAM": {"Driver": "default", "Options": {}, "Config": _view_pools(spec, status)},
    }


def _view_options(spec: Document) -> dict[str, str]:
    """Return the options that are not as they are by default; of switches that is on."""
    return {
        option: str(spec[field]).lower() if isinstance(spec[field], bool) else str(spec[field])
        for field, option in _OPTION_FIELDS.items()
        if field in spec and spec[field] is not True
    }


def _view_pools(spec: Document, status: Document) -> list[dict[str, Any]]:
    pools = []
    for subnet, gateway, within in _POOL_FIELDS:
        if not status.get(subnet):
            continue
        pool: dict[str, Any] = {
            "Subnet": status[subnet],
            "Gateway": status.get(gateway, ""),
            "IPRange": spec.get(within, ""),
        }
        reserved = {
            name: address
            for name, address in spec.get("reservedAddresses", {}).items()
            if (":" in address) is (":" in status[subnet])
        }
        pools.append(pool | ({"AuxiliaryAddresses": reserved} if reserved else {}))
    return pools


def _add_prefix(address: str, subnet: str) -> str:
    """Return an address with the length of its subnet's prefix; empty without one."""
    return f"{address}/{subnet.partition('/')[2]}" if address else ""


def view_port_bindings(spec: Document) -> dict[str, list[dict[str, str]]]:
    """Return the ports that a container is asked to publish."""
    bindings: dict[str, list[dict[str, str]]] = {}
    for each in spec.get("ports", []):
        first, last = each.get("hostPort", 0), each.get("hostPortEnd", 0)
        host_port = f"{first}-{last}" if last else str(first or "")
        binding = {"HostIp": each.get("hostIP", ""), "HostPort": host_port}
        bindings.setdefault(f"{each['containerPort']}/{each.get('protocol', 'tcp')}", []).append(binding)
    return bindings


def _view_wishes(attachment: Document) -> dict[str, Any]:
    """Return the addresses that were asked for."""
    fields = {"ipv4": "IPv4Address", "ipv6": "IPv6Address", "linkLocalIPs": "LinkLocalIPs"}
    return {fields[name]: attachment[name] for name in fields if attachment.get(name)}


def view_places(metadata: Document, spec: Document, status: Document) -> dict[str, Any]:
    """Return a container's `NetworkSettings` as far as its own document tells."""
    asked = {each["name"]: each for each in spec.get("networks", [])}
    networks = {
        each["name"]: {
            "NetworkID": "",
            "EndpointID": metadata.get("uid", ""),
            "IPAddress": each.get("ipv4", ""),
            "IPPrefixLen": 0,
            "MacAddress": each.get("mac", ""),
            "Gateway": each.get("gateway", ""),
            "GlobalIPv6Address": each.get("ipv6", ""),
            "GlobalIPv6PrefixLen": 0,
            "GwPriority": asked.get(each["name"], {}).get("gatewayPriority", 0),
            "IPv6Gateway": each.get("ipv6Gateway", ""),
            "Aliases": asked.get(each["name"], {}).get("aliases", []),
            "IPAMConfig": _view_wishes(asked.get(each["name"], {})),
        }
        for each in status.get("networks", [])
    }
    nowhere = {name: 0 if name.endswith("Len") else "" for name in _PLACE_FIELDS}
    first = next(iter(networks.values()), nowhere)
    ports: dict[str, list[dict[str, str]]] = {}
    for each in status.get("ports", []):
        for host in list_port_hosts(each, status):
            binding = {"HostIp": host, "HostPort": str(each.get("hostPort", 0))}
            ports.setdefault(f"{each['containerPort']}/{each.get('protocol', 'tcp')}", []).append(binding)
    top = {name: first[name] for name in _PLACE_FIELDS}
    return {**top, "Networks": networks, "Ports": ports}


def complete_places(view: Document, networks: Mapping[str, Document]) -> dict[str, Any]:
    """Return the `NetworkSettings` of a container with what only its networks tell, by name."""
    settings = view["NetworkSettings"]
    places = {
        name: place
        | _view_ground(networks.get(name, {}).get("status", {}))
        | {"NetworkID": networks.get(name, {}).get("metadata", {}).get("uid", "")}
        for name, place in settings["Networks"].items()
    }
    first = next(iter(places.values()), settings)
    return {**settings, **{name: first[name] for name in _PLACE_FIELDS}, "Networks": places}


def _view_ground(status: Document) -> dict[str, Any]:
    """Return what a network gives to all that are on it."""
    prefixes = {"IPPrefixLen": "subnet", "GlobalIPv6PrefixLen": "ipv6Subnet"}
    return {
        "Gateway": status.get("gateway", ""),
        "IPv6Gateway": status.get("ipv6Gateway", ""),
        **{name: int(status.get(field, "").partition("/")[2] or 0) for name, field in prefixes.items()},
    }
