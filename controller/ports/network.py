"""Namespaces, bridges, attachments, firewall and names."""

from collections.abc import Iterable
from typing import Protocol

from controller.model.facts import (
    AttachmentFacts,
    BridgeFacts,
    FirewallFacts,
    NamesFacts,
    NamespaceFacts,
    ParentFacts,
)
from controller.model.ids import Uid
from controller.model.wants import (
    AttachmentWant,
    BridgeWant,
    FirewallWant,
    NamedHost,
    NamesWant,
    ParentWant,
)


class Namespaces(Protocol):
    """Network namespaces that containers' processes are put into."""

    async def list(self) -> tuple[NamespaceFacts, ...]:
        """Return every namespace of this instance."""
        ...

    async def read(self, container: Uid) -> NamespaceFacts | None:
        """Return one container's namespace, None when there is none."""
        ...

    async def ensure(self, container: Uid, *, id_base: int = 0) -> None:
        """Make the namespace with loopback up and IPv6 off.

        With `id_base` it belongs to a user namespace of users from there on, which is kept with it. One that is there
        stays as it is.
        """
        ...

    async def delete(self, container: Uid) -> None:
        """Drop the namespace; the kernel removes the links in it in its own time."""
        ...


class Bridges(Protocol):
    """Bridges of networks."""

    async def list(self) -> tuple[BridgeFacts, ...]:
        """Return every bridge of this instance."""
        ...

    async def read(self, network: Uid, name: str) -> BridgeFacts | None:
        """Return the network's bridge of that name, None when there is none; it costs the same however many there are."""
        ...

    async def ensure(self, want: BridgeWant) -> None:
        """Make the bridge, or make it so again, in place of those that the network has under other names.

        Conflict when a link of others has the name.
        """
        ...

    async def delete(self, network: Uid) -> None:
        """Remove the bridge; ports lose their bridge and stay."""
        ...


class Parents(Protocol):
    """Links that containers' links hang below."""

    async def list(self) -> tuple[ParentFacts, ...]:
        """Return the host's links but containers' ends; those that this instance has made with the network they are for."""
        ...

    async def ensure(self, want: ParentWant) -> None:
        """Make the link, or make it so again; one that this instance has made for another network is left to that.

        NotFound when the link that a VLAN is of is missing, Conflict when a link of others has the name.
        """
        ...

    async def delete(self, network: Uid, name: str, *, heir: Uid | None = None) -> None:
        """Remove a link that was made for the network, with all that hangs below it; with `heir` it is that one's now."""
        ...


class Attachments(Protocol):
    """Links of containers: veth pairs between their namespaces and bridges, and links below a parent."""

    async def list(self) -> tuple[AttachmentFacts, ...]:
        """Return the attachments of every container; those whose namespace is gone have no inside."""
        ...

    async def read(self, container: Uid) -> tuple[AttachmentFacts, ...]:
        """Return one container's attachments."""
        ...

    async def ensure(self, want: AttachmentWant) -> None:
        """Make the attachment, or mend just what differs. NotFound when namespace, bridge or parent is missing."""
        ...

    async def delete(self, container: Uid, host_link: str) -> None:
        """Remove a link of the container's, both ends of a pair."""
        ...


class Firewall(Protocol):
    """The host's packet filter and address translation, in chains of our own."""

    async def read(self) -> FirewallFacts:
        """Return what is installed."""
        ...

    async def replace(self, want: FirewallWant) -> None:
        """Install all rules of `want` atomically per table, in place of ours, and the jumps to them first in line."""
        ...

    async def delete(self) -> None:
        """Remove every chain and jump of this instance; the administrator's chain stays."""
        ...


class NameServer(Protocol):
    """Names of containers, served to containers; goes on while the daemon is down."""

    async def read(self) -> NamesFacts:
        """Return what is served."""
        ...

    async def publish(self, want: NamesWant) -> None:
        """Serve exactly the zones of `want`, without a gap; no server runs when there are none."""
        ...

    async def join(self, container: Uid) -> None:
        """Serve names inside the container's namespace too, at INSIDE_RESOLVER; for one that reaches no gateway."""
        ...

    async def tend(self, hosts: Iterable[NamedHost]) -> None:
        """Make sure that containers which joined still reach the server, whatever was done inside; others are passed over."""
        ...

    async def leave(self, container: Uid) -> None:
        """Let go of the container's namespace, which lives on otherwise; before it is dropped."""
        ...
