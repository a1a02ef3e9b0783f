"""Host ports of containers: none twice, none of a foreign listener, and those that hold chose stay."""

from collections.abc import Sequence
from dataclasses import dataclass

from controller.errors import AlreadyExists, Exhausted, Invalid, Unavailable
from controller.model.container import ContainerAssigned
from controller.model.facts import HostFacts
from controller.model.ids import Key
from controller.model.network import IPV6_LOOPBACK, WHY_NO_IPV6_LOOPBACK, Family, family_of
from controller.model.ports import PortMapping, render_host
from controller.plan.admission.findings import Findings
from controller.plan.admission.intents import Intent
from controller.plan.admission.taken import Listeners, Taken, list_random_ports


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """A container with ports: what it wants and what it had; `families` are those that its networks have."""

    intent: Intent
    wanted: tuple[PortMapping, ...]
    previous: ContainerAssigned
    families: frozenset[Family]


class PortAssigner:
    """Finds a host port for every published port of a batch."""

    def __init__(self, taken: Taken, host: HostFacts, findings: Findings) -> None:
        self._taken = taken
        self._listeners = Listeners(host)
        self._findings = findings

    def assign(self, publishers: Sequence[Publisher]) -> dict[Key, tuple[PortMapping, ...]]:
        """Return each container's ports in the order of its spec; ports that can't be had are missing."""
        found: dict[Key, dict[int, PortMapping]] = {each.intent.key: {} for each in publishers}
        for publisher in publishers:
            self._check_families(publisher)
        for publisher in publishers:
            self._keep_chosen(publisher, found)
        for publisher in publishers:
            self._take_named(publisher, found)
        for publisher in publishers:
            self._choose(publisher, found)
        return {
            key: tuple(port for _, port in sorted(ports.items(), key=lambda item: item[0]))
            for key, ports in found.items()
        }

    def _check_families(self, publisher: Publisher) -> None:
        """Find ports on addresses of a family that leads nowhere: what comes by IPv6 goes on by IPv6."""
        for index, port in enumerate(publisher.wanted if publisher.families else ()):
            path = f"spec.ports[{index}].hostIP"
            if port.host_ip == IPV6_LOOPBACK:
                message = f"{IPV6_LOOPBACK} can't be led to a container: {WHY_NO_IPV6_LOOPBACK}"
                self._findings.add(Invalid, publisher.intent.key, path, message)
            elif port.host_ip and family_of(port.host_ip) not in publisher.families:
                message = (
                    f"{port.host_ip} leads nowhere: none of the container's networks has "
                    f"IPv{family_of(port.host_ip)}; join one that has, or publish on an address of the other family"
                )
                self._findings.add(Invalid, publisher.intent.key, path, message)

    def _keep_chosen(self, publisher: Publisher, found: dict[Key, dict[int, PortMapping]]) -> None:
        intent, wanted, previous = publisher.intent, publisher.wanted, publisher.previous
        named = {_name(port) for port in wanted if port.is_named}
        unclaimed = [port for port in previous.ports if _name(port) not in named]
        for index, port in enumerate(wanted):
            if port.is_named:
                continue
            kept = next((old for old in unclaimed if _leads_alike(old, port)), None)
            if kept is not None and self._taken.find_port(kept) is None:
                unclaimed.remove(kept)
                self._take(intent.key, kept)
                found[intent.key][index] = kept

    def _take_named(self, publisher: Publisher, found: dict[Key, dict[int, PortMapping]]) -> None:
        intent, wanted = publisher.intent, publisher.wanted
        had = {_name(port) for port in publisher.previous.ports}
        for index, port in enumerate(wanted):
            if not port.is_named:
                continue
            path = f"spec.ports[{index}].hostPort"
            place = render_host(port.host_ip, port.host_port) if port.host_ip else port.host_port
            label = f"{place}/{port.protocol}"
            holder = self._taken.find_port(port)
            if holder is not None and holder.key == intent.key:
                self._findings.add(Invalid, intent.key, path, f"host port {label} is published twice")
            elif holder is not None:
                refusal = Unavailable if holder.leaving else AlreadyExists
                message = f"host port {label} is taken by {holder}: choose another port"
                self._findings.add(refusal, intent.key, path, message)
            elif _name(port) not in had and self._listeners.is_heard(port, publisher.families):
                message = f"host port {label} is taken by a process of the host that hold does not run: choose another port"
                self._findings.add(AlreadyExists, intent.key, path, message)
            else:
                self._take(intent.key, port)
                found[intent.key][index] = port

    def _choose(self, publisher: Publisher, found: dict[Key, dict[int, PortMapping]]) -> None:
        intent, wanted = publisher.intent, publisher.wanted
        for index, port in enumerate(wanted):
            if port.is_named or index in found[intent.key]:
                continue
            for number in port.choices or list_random_ports(intent.uid, port.container_port):
                candidate = port.model_copy(update={"host_port": number, "host_port_end": 0})
                heard = self._listeners.is_heard(candidate, publisher.families)
                if self._taken.find_port(candidate) is None and not heard:
                    self._take(intent.key, candidate)
                    found[intent.key][index] = candidate
                    break
            else:
                path = f"spec.ports[{index}].hostPort"
                self._findings.add(Exhausted, intent.key, path, _tell_exhaustion(port))

    def _take(self, key: Key, port: PortMapping) -> None:
        self._taken.take_port(port, key)


def _name(port: PortMapping) -> tuple[str, str, int]:
    return port.protocol, port.host_ip, port.host_port


def _leads_alike(had: PortMapping, wanted: PortMapping) -> bool:
    """Tell whether the port that a container had is one that it could have been given for what it wants."""
    is_choice = not wanted.choices or had.host_port in wanted.choices
    return is_choice and (had.protocol, had.host_ip, had.container_port) == (
        wanted.protocol,
        wanted.host_ip,
        wanted.container_port,
    )


def _tell_exhaustion(port: PortMapping) -> str:
    if port.choices:
        return f"no host port of {port.host_port}-{port.host_port_end}/{port.protocol} is free: name a larger range"
    return "no host port is free: name one outside 32768-60999"
