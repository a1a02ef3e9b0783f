"""What the host's rules and name server are known to offer, for the conditions of containers and networks."""

from collections.abc import Mapping
from dataclasses import dataclass

from controller.model.changes import Snapshot, gather
from controller.model.container import Container, ContainerAssigned
from controller.model.ids import Key, Uid
from controller.model.kinds import key_of
from controller.model.network import Network
from controller.plan.container.expansion import has_ports
from controller.plan.host import is_reachable


@dataclass(frozen=True, slots=True, kw_only=True)
class _Offers:
    """What some objects offer: the ports of containers, the names of networks."""

    published: Mapping[Key, tuple[Uid, ContainerAssigned]]
    served: Mapping[Key, Uid]


class Publication:
    """What the last turn for the host came to; empty before the first."""

    def __init__(self) -> None:
        self._published: Mapping[Key, tuple[Uid, ContainerAssigned]] = {}
        self._served: Mapping[Key, Uid] = {}

    def is_published(self, container: Container) -> bool:
        """Tell whether the rules lead to all of the container's ports as they are assigned now."""
        return self._published.get(key_of(container)) == _identify(container)

    def is_served(self, network: Network) -> bool:
        """Tell whether names are served on the network."""
        return self._served.get(key_of(network)) == network.metadata.uid

    def update(self, snapshot: Snapshot) -> set[Key]:
        """Take over that all rules and names of `snapshot` are in force; return the objects it makes a difference to."""
        published: dict[Key, tuple[Uid, ContainerAssigned]] = {}
        served: dict[Key, Uid] = {}
        for part in gather(snapshot, _list_offers):
            published |= part.published
            served |= part.served
        changed = {
            key
            for key in published.keys() | self._published.keys()
            if published.get(key) != self._published.get(key)
        }
        changed |= {
            key for key in served.keys() | self._served.keys() if served.get(key) != self._served.get(key)
        }
        self._published, self._served = published, served
        return changed


def _list_offers(objects: Snapshot) -> _Offers:
    return _Offers(
        published={
            key: _identify(each)
            for key, each in objects.items()
            if isinstance(each, Container) and has_ports(each) and is_reachable(each)
        },
        served={
            key: Uid(each.metadata.uid or "") for key, each in objects.items() if isinstance(each, Network)
        },
    )


def _identify(container: Container) -> tuple[Uid, ContainerAssigned]:
    return Uid(container.metadata.uid or ""), container.assigned or ContainerAssigned()
