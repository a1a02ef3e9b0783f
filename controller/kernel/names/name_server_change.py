"""What the name server is told to come from one set of zones to another (see `name_server_control`)."""

from typing import Any

from controller.model.wants import NamedHost, NamesWant, Zone
from controller.plan.firewall import NAME_SERVER_PORT


def render_change(before: NamesWant | None, after: NamesWant) -> dict[str, Any]:
    """Return the request: all of `after` where nothing is known of what is served, else just what differs."""
    old = {zone.network: zone for zone in before.zones} if before is not None else {}
    new = {zone.network: zone for zone in after.zones}
    networks: dict[str, Any] = {uid: None for uid in old if uid not in new}
    networks |= {
        uid: _describe_network(zone)
        for uid, zone in new.items()
        if uid not in old or _describe_network(old[uid]) != _describe_network(zone)
    }
    return {
        "base": before.digest if before is not None else None,
        "digest": after.digest,
        "port": NAME_SERVER_PORT,
        "networks": networks,
        "hosts": [each for uid, zone in new.items() for each in _list_hosts(old.get(uid), zone)],
    }


def _list_hosts(before: Zone | None, after: Zone) -> list[tuple[str, str, dict[str, Any] | None]]:
    old = {host.container: host for host in before.hosts} if before is not None else {}
    present = {host.container for host in after.hosts}
    gone = [(after.network, uid, None) for uid in old if uid not in present]
    changed = [
        (after.network, host.container, _describe_host(host))
        for host in after.hosts
        if (known := old.get(host.container)) is not host and known != host
    ]
    return [*gone, *changed]


def _describe_network(zone: Zone) -> dict[str, Any]:
    return {
        "name": zone.network_name,
        "gateways": zone.gateways,
        "subnets": zone.subnets,
        "internal": zone.internal,
    }


def _describe_host(host: NamedHost) -> dict[str, Any]:
    return {"addresses": host.addresses, "names": host.names, "upstreams": host.upstreams}
