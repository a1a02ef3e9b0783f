"""Links that containers' links hang below, by netlink: `KernelParents(layout=)`."""

import asyncio
import errno

from controller.errors import Conflict, NotFound, Refused
from controller.kernel.network import rtnetlink, sublink_messages
from controller.kernel.network.host_links import find_link, opened_netlink, parse_owner, read_links
from controller.kernel.network.netlink import Netlink
from controller.model.facts import ParentFacts
from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.model.names import derive_link_alias
from controller.model.network_drivers import Vlan
from controller.model.wants import ParentWant

_GONE = frozenset({errno.ENODEV})
_OWN_KINDS = ("vlan", "dummy")


class KernelParents:
    """Parents on Linux. Links of the host are only looked at."""

    def __init__(self, *, layout: Layout) -> None:
        self._instance = layout.instance

    async def list(self) -> tuple[ParentFacts, ...]:
        """Return every link of the host, ours with the network that they were made for; ends of containers aside."""
        return await asyncio.to_thread(self._list)

    async def ensure(self, want: ParentWant) -> None:
        """Make the link, or make it so again. NotFound and Conflict as Parents has it."""
        try:
            await asyncio.to_thread(self._ensure, want)
        except OSError as exc:
            why = exc.strerror
            if exc.errno == errno.EOPNOTSUPP:
                kind = "dummy links" if want.vlan is None else "VLANs"
                why = f"this kernel has no {kind}: load the module (dummy, 8021q), or name another parent"
            raise Refused(f"link {want.name}: {why}") from exc

    async def delete(self, network: Uid, name: str, *, heir: Uid | None = None) -> None:
        """Remove a link that was made for the network, or leave it to `heir`."""
        try:
            await asyncio.to_thread(self._delete, network, name, heir)
        except OSError as exc:
            raise Refused(f"link {name}: {exc.strerror}") from exc

    def _list(self) -> tuple[ParentFacts, ...]:
        with opened_netlink() as netlink:
            links = read_links(netlink)
        names = {link.index: link.name for link in links}
        return tuple(self._describe(link, names) for link in links if not self._is_end(link))

    def _is_end(self, link: rtnetlink.Link) -> bool:
        return link.kind == "veth" and parse_owner(self._instance, link.alias) is not None

    def _describe(self, link: rtnetlink.Link, names: dict[int, str]) -> ParentFacts:
        owner = parse_owner(self._instance, link.alias) if link.kind in _OWN_KINDS else None
        vlan = None
        if link.kind == "vlan" and owner is not None:
            lower = names.get(link.peer_index, "")
            vlan = Vlan(lower=lower, id=sublink_messages.parse_vlan_id(link.data))
        return ParentFacts(name=link.name, up=link.up, network=owner, vlan=vlan, mtu=link.mtu)

    def _ensure(self, want: ParentWant) -> None:
        with opened_netlink() as netlink:
            link = find_link(netlink, name=want.name)
            if link is not None and not self._is_ours(link):
                raise Conflict(f"a link named {want.name} exists and is not hold's: choose another name")
            if link is not None and not _is_as_wanted(link, want, netlink):
                netlink.run(rtnetlink.delete_link(link.index), tolerate=_GONE)
                link = None
            if link is None:
                self._create(netlink, want)
            elif want.mtu is not None and link.mtu != want.mtu:
                netlink.run(rtnetlink.set_mtu(want.name, want.mtu))
            netlink.run(rtnetlink.set_link(want.name, up=True))

    def _is_ours(self, link: rtnetlink.Link) -> bool:
        return link.kind in _OWN_KINDS and parse_owner(self._instance, link.alias) is not None

    def _create(self, netlink: Netlink, want: ParentWant) -> None:
        """Make and mark the link in one batch, so that none is left unmarked."""
        if want.vlan is None:
            create = sublink_messages.create_dummy(want.name)
        else:
            lower = find_link(netlink, name=want.vlan.lower)
            if lower is None:
                raise NotFound(f"there is no link {want.vlan.lower}")
            create = sublink_messages.create_vlan(want.name, vlan_id=want.vlan.id, lower_index=lower.index)
        alias = derive_link_alias(self._instance, want.network)
        netlink.run(create, rtnetlink.set_link(want.name, alias=alias))
        if want.mtu is not None:
            netlink.run(rtnetlink.set_mtu(want.name, want.mtu))

    def _delete(self, network: Uid, name: str, heir: Uid | None) -> None:
        alias = derive_link_alias(self._instance, network)
        with opened_netlink() as netlink:
            link = find_link(netlink, name=name)
            if link is None or link.kind not in _OWN_KINDS or link.alias != alias:
                return
            if heir is not None:
                netlink.run(rtnetlink.set_link(name, alias=derive_link_alias(self._instance, heir)))
            else:
                netlink.run(rtnetlink.delete_link(link.index), tolerate=_GONE)


def _is_as_wanted(link: rtnetlink.Link, want: ParentWant, netlink: Netlink) -> bool:
    """Tell whether the link is the VLAN, or leads nowhere, as wanted."""
    if want.vlan is None:
        return link.kind == "dummy"
    lower = find_link(netlink, index=link.peer_index) if link.peer_index else None
    same_id = sublink_messages.parse_vlan_id(link.data) == want.vlan.id
    return link.kind == "vlan" and same_id and lower is not None and lower.name == want.vlan.lower
