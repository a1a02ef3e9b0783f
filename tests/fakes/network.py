"""Namespaces, links, rules and names of a fake machine."""

from collections.abc import Iterable
from dataclasses import replace

from controller.errors import Conflict, NotFound
from controller.model.facts import (
    AttachmentFacts,
    BridgeFacts,
    FirewallFacts,
    NamesFacts,
    NamespaceFacts,
    ParentFacts,
)
from controller.model.ids import Uid
from controller.model.plugins import EndpointWant
from controller.model.wants import (
    AttachmentWant,
    BridgeWant,
    FirewallWant,
    NamedHost,
    NamesWant,
    ParentWant,
)
from controller.ports import HintType
from controller.ports.plugins import NetworkDrivers
from tests.fakes.port import FakePort
from tests.fakes.steps import Steps
from tests.fakes.world import FakeWorld

PARENT_MAC = "02:00:00:00:00:01"
"""What links have that share their parent's."""


class FakeNamespaces(FakePort):
    """See Namespaces."""

    async def list(self) -> tuple[NamespaceFacts, ...]:
        call = await self._steps.begin("namespaces.list")
        await self._steps.end(call)
        return tuple(
            NamespaceFacts(container=uid, loopback_up=up, id_base=self._world.id_bases.get(uid, 0))
            for uid, up in self._world.namespaces.items()
        )

    async def read(self, container: Uid) -> NamespaceFacts | None:
        call = await self._steps.begin("namespaces.read")
        await self._steps.end(call)
        up = self._world.namespaces.get(container)
        if up is None:
            return None
        base = self._world.id_bases.get(container, 0)
        return NamespaceFacts(container=container, loopback_up=up, id_base=base)

    async def ensure(self, container: Uid, *, id_base: int = 0) -> None:
        call = await self._steps.begin("namespaces.ensure")
        if container not in self._world.namespaces:
            self._world.id_bases[container] = id_base
        self._world.namespaces[container] = True
        await self._steps.end(call)

    async def delete(self, container: Uid) -> None:
        call = await self._steps.begin("namespaces.delete")
        if self._world.is_alive(container):
            self._world.violate(f"dropped the namespace of a live process {container}")
        if container in self._world.joined:
            self._world.violate(f"dropped the namespace of {container}, which the name server holds")
        self._world.namespaces.pop(container, None)
        self._world.drop_links(container)
        await self._steps.end(call)


class FakeBridges(FakePort):
    """See Bridges."""

    async def list(self) -> tuple[BridgeFacts, ...]:
        call = await self._steps.begin("bridges.list")
        await self._steps.end(call)
        return tuple(self._world.bridges.values())

    async def read(self, network: Uid, name: str) -> BridgeFacts | None:
        call = await self._steps.begin("bridges.read")
        await self._steps.end(call)
        facts = self._world.bridges.get(network)
        return facts if facts is not None and facts.name == name else None

    async def ensure(self, want: BridgeWant) -> None:
        call = await self._steps.begin("bridges.ensure")
        if want.name in self._world.foreign:
            raise Conflict(f"link {want.name} is not hold's")
        before = self._world.bridges.get(want.network)
        self._world.bridges[want.network] = BridgeFacts(
            network=want.network,
            name=want.name,
            up=True,
            addresses=want.addresses,
            mtu=want.mtu or (before.mtu if before is not None else 1500),
        )
        self._world.hint(HintType.BRIDGE, want.network)
        await self._steps.end(call)

    async def delete(self, network: Uid) -> None:
        call = await self._steps.begin("bridges.delete")
        bridge = self._world.bridges.pop(network, None)
        if bridge is not None:
            self._world.unplug(bridge.name)
            self._world.hint(HintType.BRIDGE, network)
        await self._steps.end(call)


class FakeParents(FakePort):
    """See Parents."""

    async def list(self) -> tuple[ParentFacts, ...]:
        call = await self._steps.begin("parents.list")
        await self._steps.end(call)
        return tuple(self._world.parents.values())

    async def ensure(self, want: ParentWant) -> None:
        call = await self._steps.begin("parents.ensure")
        world = self._world
        before = world.parents.get(want.name)
        if before is not None and before.network is None:
            raise Conflict(f"link {want.name} is not hold's")
        if want.vlan is not None and want.vlan.lower not in world.parents:
            raise NotFound(f"there is no link {want.vlan.lower}")
        world.parents[want.name] = ParentFacts(
            name=want.name,
            up=True,
            network=before.network if before is not None else want.network,
            vlan=want.vlan,
            mtu=want.mtu or (before.mtu if before is not None else 1500),
        )
        world.hint(HintType.LINK, want.name)
        await self._steps.end(call)

    async def delete(self, network: Uid, name: str, *, heir: Uid | None = None) -> None:
        call = await self._steps.begin("parents.delete")
        facts = self._world.parents.get(name)
        if facts is not None and facts.network == network:
            if heir is not None:
                self._world.parents[name] = replace(facts, network=heir)
            else:
                self._world.lose_parent(name)
        await self._steps.end(call)


class FakeAttachments(FakePort):
    """See Attachments."""

    def __init__(self, world: FakeWorld, steps: Steps, drivers: NetworkDrivers) -> None:
        super().__init__(world, steps)
        self._drivers = drivers

    async def list(self) -> tuple[AttachmentFacts, ...]:
        call = await self._steps.begin("attachments.list")
        await self._steps.end(call)
        return tuple(self._world.links.values())

    async def read(self, container: Uid) -> tuple[AttachmentFacts, ...]:
        call = await self._steps.begin("attachments.read")
        await self._steps.end(call)
        return tuple(link for (uid, _), link in self._world.links.items() if uid == container)

    async def ensure(self, want: AttachmentWant) -> None:
        call = await self._steps.begin("attachments.ensure")
        world = self._world
        if want.container not in world.namespaces:
            raise NotFound(f"{want.container} has no network namespace")
        if want.sublink is not None and want.sublink.parent not in world.parents:
            raise NotFound(f"there is no link {want.sublink.parent}")
        if want.driver:
            await self._ask_driver(want)
        elif want.sublink is None and want.bridge not in {each.name for each in world.bridges.values()}:
            raise NotFound(f"there is no bridge {want.bridge}")
        for (uid, _), link in world.links.items():
            if uid != want.container and link.bridge == want.bridge:
                for address in set(want.all_addresses) & set(link.addresses):
                    world.violate(f"address {address} twice")
        before = world.links.get((want.container, want.host_link))
        world.links[want.container, want.host_link] = AttachmentFacts(
            container=want.container,
            host_link=want.host_link,
            bridge=want.bridge,
            host_up=True,
            inside=want.inside,
            inside_up=True,
            mac=want.mac or PARENT_MAC,
            addresses=want.all_addresses,
            gateway=want.gateway,
            ipv6_gateway=want.ipv6_gateway,
            mtu=want.mtu or (before.mtu if before is not None else 1500),
            isolated=want.isolated,
            sublink=want.sublink,
        )
        world.hint(HintType.ATTACHMENT, want.container)
        await self._steps.end(call)

    async def _ask_driver(self, want: AttachmentWant) -> None:
        joined = (want.container, want.host_link) in self._world.links
        endpoint = EndpointWant(
            driver=want.driver,
            network=want.network,
            container=want.container,
            addresses=want.addresses,
            mac=want.mac,
            joined=joined,
        )
        await self._drivers.ensure_endpoint(endpoint)

    async def delete(self, container: Uid, host_link: str) -> None:
        call = await self._steps.begin("attachments.delete")
        self._world.links.pop((container, host_link), None)
        self._world.hint(HintType.ATTACHMENT, container)
        await self._steps.end(call)


class FakeFirewall(FakePort):
    """See Firewall."""

    async def read(self) -> FirewallFacts:
        call = await self._steps.begin("firewall.read")
        await self._steps.end(call)
        return FirewallFacts(digest=self._world.firewall.digest if self._world.firewall else "")

    async def replace(self, want: FirewallWant) -> None:
        call = await self._steps.begin("firewall.replace")
        self._world.firewall = want
        self._world.hint(HintType.FIREWALL)
        await self._steps.end(call)

    async def delete(self) -> None:
        call = await self._steps.begin("firewall.delete")
        self._world.firewall = None
        await self._steps.end(call)


class FakeNameServer(FakePort):
    """See NameServer."""

    async def read(self) -> NamesFacts:
        call = await self._steps.begin("names.read")
        await self._steps.end(call)
        names = self._world.names
        return NamesFacts(digest=names.digest if names else "", serving=self._world.name_server_lives)

    async def publish(self, want: NamesWant) -> None:
        call = await self._steps.begin("names.publish")
        self._world.names = want
        self._world.name_server_lives = bool(want.zones)
        await self._steps.end(call)

    async def join(self, container: Uid) -> None:
        call = await self._steps.begin("names.join")
        self._world.joined.add(container)
        await self._steps.end(call)

    async def tend(self, hosts: Iterable[NamedHost]) -> None:
        call = await self._steps.begin("names.tend")
        self._world.joined |= {each.container for each in hosts} & self._world.namespaces.keys()
        await self._steps.end(call)

    async def leave(self, container: Uid) -> None:
        call = await self._steps.begin("names.leave")
        self._world.joined.discard(container)
        await self._steps.end(call)
