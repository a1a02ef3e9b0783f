"""What containers can ask of networks below a parent: MACs that are theirs to choose, a parent that is still to be had."""

from collections.abc import Iterator

from controller.errors import InUse, Invalid
from controller.model.container import Container, ContainerSpec
from controller.model.ids import Key
from controller.model.network_drivers import Sublink, derive_sublink
from controller.plan.admission.findings import Findings
from controller.plan.admission.places import find_network
from controller.plan.admission.references import World, is_staying


def check_sublinks(world: World, findings: Findings) -> None:
    """Find containers of the batch that ask for what links below a parent can't have."""
    if not any(_find_sublink(world, name) for name in _list_joined(world)):
        return
    holders: dict[str, Key] = {}
    for key, spec in _list_containers(world):
        for index, attachment in enumerate(spec.networks):
            sublink = _find_sublink(world, attachment.name)
            if sublink is None:
                continue
            path = f"spec.networks[{index}]"
            if key in world.intents and sublink.shares_mac and attachment.mac is not None:
                word = "passthru" if sublink.mode == "passthru" else sublink.kind
                message = f"links of {word} networks have the parent's MAC: leave it out"
                findings.add(Invalid, key, f"{path}.mac", message)
            holder = holders.setdefault(sublink.parent, key) if sublink.mode == "passthru" else key
            if holder != key and key in world.intents:
                message = f"passthru gives {sublink.parent} to one container, and {holder} has it"
                findings.add(InUse, key, f"{path}.name", f"{message}: use another network")


def _list_joined(world: World) -> Iterator[str]:
    """Yield the networks that containers of the batch name."""
    for intent in world.intents.values():
        if isinstance(intent.spec, ContainerSpec):
            yield from (attachment.name for attachment in intent.spec.networks)


def _list_containers(world: World) -> Iterator[tuple[Key, ContainerSpec]]:
    """Yield the containers as they will be, stored ones first: they have what they have."""
    for key, resource in world.snapshot.items():
        outside = key not in world.intents and key not in world.leaving
        if isinstance(resource, Container) and outside and is_staying(resource):
            yield key, resource.spec
    for key, intent in world.intents.items():
        if isinstance(intent.spec, ContainerSpec):
            yield key, intent.spec


def _find_sublink(world: World, name: str) -> Sublink | None:
    found = find_network(world, name)
    if found is None:
        return None
    _, spec, assigned = found
    return derive_sublink(spec.driver, spec.driver_options, assigned.parent)
