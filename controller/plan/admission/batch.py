"""What a writer asks for, and what the decision may know besides the snapshot."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from controller.model.changes import Draft
from controller.model.container import ContainerSpec
from controller.model.facts import HostFacts
from controller.model.ids import Key
from controller.model.kinds import Resource, Spec
from controller.model.network import NetworkSpec
from controller.plan.addresses import AddressPools

CLI_MANAGER = "cli"


class HostNeed(StrEnum):
    """How much of the host a decision depends on; each includes those before it."""

    NOTHING = "nothing"
    LISTENERS = "listeners"
    NETWORKS = "networks"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionContext:
    """What is true outside the store when a batch is decided.

    `host` has what `derive_host_need` names, at least. `now` becomes the creation time of new objects. `seed` is random text, never used for two batches that are written: the uids of
    new objects derive from it. `pools` are where subnets of networks without one come from.
    """

    now: datetime
    host: HostFacts
    pools: AddressPools
    seed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyBatch:
    """Objects as `manager` wants them; each spec replaces the stored one.

    `force` takes objects over from other managers. `prune` deletes those of the manager's objects that the batch does
    not name. `deletions` are deleted in the same decision. `create_volumes` makes the volumes that containers of the
    batch name and that don't exist, `create_images` the images that a registry may have. With `create_only` none of the drafts may exist yet.
    `pulled` names the manifests that somebody has just pulled for images of the batch.
    """

    drafts: Sequence[Draft]
    manager: str = CLI_MANAGER
    force: bool = False
    prune: bool = False
    create_volumes: bool = False
    create_images: bool = True
    create_only: bool = False
    deletions: Sequence[Key] = ()
    pulled: Mapping[Key, str] = field(default_factory=dict)


def derive_host_need(specs: Iterable[Spec]) -> HostNeed:
    """Return what must be known of the host to decide on these specs: looking at it costs more than deciding."""
    need = HostNeed.NOTHING
    for spec in specs:
        match spec:
            case NetworkSpec():
                return HostNeed.NETWORKS
            case ContainerSpec(ports=ports, publish_all=publish_all) if ports or publish_all:
                need = HostNeed.LISTENERS
            case _:
                pass
    return need


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """The wish to return to an earlier spec of the object `key`.

    `history` are the kept generations, newest first; `generation` 0 means the newest that differs from the present.
    """

    key: Key
    history: Sequence[Resource]
    generation: int = 0
    manager: str = CLI_MANAGER
    force: bool = False
