"""A small state, and words to write batches for it."""

from collections.abc import Mapping
from datetime import UTC, datetime

from controller.model.changes import Decision, Draft, MarkDeleted, Put
from controller.model.container import Container, ContainerAssigned, ContainerSpec
from controller.model.facts import HostFacts
from controller.model.ids import Key, Uid
from controller.model.image import ImageSpec
from controller.model.kinds import RESOURCE_ADAPTER, Resource, Spec, key_of
from controller.model.network import NetworkSpec
from controller.model.volume import VolumeSpec
from controller.plan.addresses import AddressPools
from controller.plan.admission import (
    AdmissionContext,
    ApplyBatch,
    decide_apply,
)
from tests.fakes.address_pools import make_pools

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POOLS = make_pools("10.192.0.0/16", prefix=22)
State = dict[Key, Resource]


def make_context(
    seed: str = "seed", *, host: HostFacts | None = None, pools: AddressPools = POOLS
) -> AdmissionContext:
    return AdmissionContext(now=NOW, host=host or HostFacts(), pools=pools, seed=seed)


def draft(
    kind_and_name: str, spec: Spec | None = None, *, uid: str | None = None, revision: int = 0
) -> Draft:
    kind, _, name = kind_and_name.partition("/")
    resource = RESOURCE_ADAPTER.validate_python(
        {"kind": kind, "metadata": {"name": name, "uid": uid}, "spec": spec if spec is not None else {}}
    )
    stored_uid = resource.metadata.uid
    return Draft(
        key=key_of(resource),
        spec=resource.spec,
        labels={},
        annotations={},
        uid=None if stored_uid is None else _as_uid(stored_uid),
        revision=revision,
    )


def _as_uid(text: str) -> Uid:
    return Uid(text)


def container(name: str, **fields: object) -> Draft:
    spec = ContainerSpec.model_validate({"image": "a", "networks": ["n"], **fields})
    return draft(f"Container/{name}", spec)


def network(name: str, **fields: object) -> Draft:
    return draft(f"Network/{name}", NetworkSpec.model_validate(fields))


def image(name: str = "a") -> Draft:
    return draft(f"Image/{name}", ImageSpec.model_validate({"source": {"archive": "/a.tar"}}))


def write(state: Mapping[Key, Resource], decision: Decision) -> State:
    """Return the state after the decision, as a store would keep it."""
    after = dict(state)
    for each in decision.writes:
        if isinstance(each, Put):
            after[key_of(each.resource)] = each.resource.model_copy(update={"assigned": each.assigned})
        elif isinstance(each, MarkDeleted):
            resource = after[each.key]
            metadata = resource.metadata.model_copy(update={"deleted_at": NOW})
            after[each.key] = resource.model_copy(update={"metadata": metadata})
    return after


def apply(state: Mapping[Key, Resource], *drafts: Draft, context: AdmissionContext | None = None) -> State:
    return write(state, decide_apply(state, ApplyBatch(drafts=drafts), context or make_context()))


def assigned_of(state: State, name: str) -> ContainerAssigned:
    resource = state[Key("Container", name)]
    assert isinstance(resource, Container)
    assert resource.assigned is not None
    return resource.assigned


BASE = apply(
    {},
    image(),
    network("n", subnets=["10.77.0.0/29"]),
    network("auto"),
    draft("Volume/data", VolumeSpec()),
    container("web", ports=["8080:80", "81"], mounts=["data:/data"]),
    container("back", dependsOn=["web"]),
)

HOST = HostFacts(
    routes=("0.0.0.0/0", "192.168.0.0/16"),
    listeners=frozenset({("tcp", "", 22), ("tcp", "127.0.0.1", 631), ("udp", "", 53)}),
    link_names=frozenset({"eth0"}),
)
