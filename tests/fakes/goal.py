"""What the machine must look like for what was declared: stated on its own, from specs alone, with none of the planners.

Each fault is one sentence; none means that the goal is reached.
"""

import json
from collections.abc import Iterator

from controller.model.changes import Snapshot
from controller.model.container import Container, DesiredState, Phase
from controller.model.facts import AttachmentFacts, ProcessState
from controller.model.health import HealthState
from controller.model.ids import Key, Uid
from controller.model.image import Image
from controller.model.layout import Layout
from controller.model.network import Network
from controller.model.network_drivers import is_plugin
from controller.model.resource import is_ready
from controller.model.volume import Volume
from tests.fakes.world import FakeWorld, Program


def list_faults(snapshot: Snapshot, world: FakeWorld, layout: Layout) -> list[str]:
    """Return everything in which the world is not what the objects of the snapshot ask for."""
    faults = [*world.violations, *_check_leftovers(snapshot, world)]
    for resource in snapshot.values():
        if resource.metadata.deleted_at is not None:
            faults.append(f"{resource.metadata.name} is still there")
        elif resource.status.observed_generation != resource.metadata.generation:
            faults.append(f"{resource.metadata.name}: generation not observed")
        match resource:
            case Network():
                faults += _check_network(resource, world)
            case Volume():
                faults += _check_volume(resource, world)
            case Image():
                if resource.status.id not in world.images:
                    faults.append(f"image {resource.metadata.name} has no content")
            case Container():
                faults += _check_container(resource, snapshot, world, layout)
    return faults


def _check_leftovers(snapshot: Snapshot, world: FakeWorld) -> Iterator[str]:
    known = {resource.metadata.uid for resource in snapshot.values()}
    there = {
        "process": world.processes.keys(),
        "limits": world.limits.keys(),
        "root": world.roots.keys(),
        "namespace": world.namespaces.keys(),
        "link": {uid for uid, _ in world.links},
        "bridge": world.bridges.keys(),
        "volume": world.volumes.keys(),
    }
    for what, uids in there.items():
        for uid in uids - known:
            yield f"{what} of {uid} is left over"


def _check_network(network: Network, world: FakeWorld) -> Iterator[str]:
    name, assigned = network.metadata.name, network.assigned
    if not is_ready(network.status):
        yield f"network {name} is not ready"
    if is_plugin(network.spec.driver):
        return
    if assigned is not None and assigned.parent:
        if assigned.parent not in world.parents or network.metadata.uid in world.bridges:
            yield f"network {name} should hang below {assigned.parent}, by no bridge"
        return
    bridge = world.bridges.get(Uid(network.metadata.uid or ""))
    if bridge is None or assigned is None:
        yield f"network {name} has no bridge"
        return
    texts = tuple(
        f"{own}/{subnet.partition('/')[2]}"
        for own, subnet in (
            (assigned.gateway, assigned.subnet),
            (assigned.ipv6_gateway, assigned.ipv6_subnet),
        )
        if own
    )
    if (bridge.name, bridge.addresses) != (assigned.bridge, texts):
        yield f"bridge of {name} is {bridge}"
    if not bridge.up or (network.spec.mtu is not None and bridge.mtu != network.spec.mtu):
        yield f"bridge of {name} is {bridge}"


def _check_volume(volume: Volume, world: FakeWorld) -> Iterator[str]:
    """What a volume with options is made of is mounted exactly as long as somebody runs on it."""
    name, uid = volume.metadata.name, Uid(volume.metadata.uid or "")
    if uid not in world.volumes:
        yield f"volume {name} has no directory"
    used, mounted = bool(world.list_volume_users(uid)), uid in world.volume_mounts
    if used is not mounted:
        yield f"volume {name} is {'used' if used else 'not used'} and {'mounted' if mounted else 'not mounted'}"


def _check_container(
    container: Container, snapshot: Snapshot, world: FakeWorld, layout: Layout
) -> Iterator[str]:
    name, uid = container.metadata.name, Uid(container.metadata.uid or "")
    yield from _check_root(container, snapshot, world, layout)
    program = world.programs.get(name, Program())
    if container.spec.desired is DesiredState.STOPPED:
        yield from _check_stopped(container, world)
    elif program.runs_s is not None and container.spec.restart.name == "no":
        ended = (container.status.phase, container.status.exit_code, world.processes.get(uid))
        if ended != (Phase.EXITED, program.exit_code, None):
            yield f"{name} should have ended, is {ended}"
    elif uid not in world.processes:
        yield f"{name} has no process, its status says {container.status.phase}"
    else:
        yield from _check_process(container, world)
        yield from _check_limits(container, world)
        yield from _check_links(container, snapshot, world)
        yield from _check_volumes(container, snapshot, world)


def _check_volumes(container: Container, snapshot: Snapshot, world: FakeWorld) -> Iterator[str]:
    for mount in container.spec.mounts:
        volume = snapshot.get(Key("Volume", mount.source))
        if volume is not None and not world.volumes.get(Uid(volume.metadata.uid or "")):
            yield f"{container.metadata.name} runs on the volume {mount.source}, which was never filled"


def _check_stopped(container: Container, world: FakeWorld) -> Iterator[str]:
    name, uid = container.metadata.name, Uid(container.metadata.uid or "")
    linked = any(owner == uid for owner, _ in world.links)
    if uid in world.processes or uid in world.namespaces or linked:
        yield f"{name} should be stopped and has a process, a namespace or links"
    if container.status.pid or container.status.phase not in (Phase.EXITED, Phase.PENDING):
        yield f"{name} is stopped, its status says {container.status.phase}"


def _check_process(container: Container, world: FakeWorld) -> Iterator[str]:
    name, status = container.metadata.name, container.status
    process = world.processes[Uid(container.metadata.uid or "")]
    paused = container.spec.desired is DesiredState.PAUSED
    wanted = ProcessState.PAUSED if paused else ProcessState.RUNNING
    if process.facts.state is not wanted:
        yield f"{name} should be {wanted}, is {process.facts.state}"
    if status.phase != (Phase.PAUSED if paused else Phase.RUNNING):
        yield f"{name} is {wanted}, its status says {status.phase}"
    if (status.pid, status.run) != (process.facts.pid, process.want.run):
        yield f"{name} has another process than its status says"
    if process.want.run != container.spec.run:
        yield f"{name} is at run {process.want.run}"
    if not paused:
        yield from _check_health(container, world)
    if not paused and not is_ready(status):
        yield f"{name} is not ready: {status.conditions}"
    yield from _check_config(container, process.want.config_json)


def _check_health(container: Container, world: FakeWorld) -> Iterator[str]:
    check, health, name = container.spec.healthcheck, container.status.health, container.metadata.name
    if check is None:
        return
    if check.test == ("NONE",):
        if health is not None:
            yield f"{name} is not checked, its status says {health}"
    elif world.health[name].outcome.exit_code == 0 and (
        health is None or health.state is not HealthState.HEALTHY
    ):
        yield f"{name} is checked and well, its status says {health}"


def _check_root(container: Container, snapshot: Snapshot, world: FakeWorld, layout: Layout) -> Iterator[str]:
    name, root = container.metadata.name, world.roots.get(Uid(container.metadata.uid or ""))
    image = snapshot.get(Key("Image", container.spec.image or ""))
    if isinstance(image, Image):
        lower = tuple(layout.layer_path(layer) for layer in image.status.layers)
    else:
        lower = (container.spec.rootfs or "",)
    if root is None or not root.mounted:
        yield f"root of {name} is not mounted"
    elif root.lower_paths != lower and container.status.phase is not Phase.RUNNING:
        yield f"root of {name} stands on {root.lower_paths}"


def _check_config(container: Container, config_json: str) -> Iterator[str]:
    process = json.loads(config_json)["process"]
    command = list(container.spec.command or ())
    if command and process["args"][-len(command) :] != command:
        yield f"{container.metadata.name} runs {process['args']}"
    for variable, value in container.spec.environment.items():
        if f"{variable}={value}" not in process["env"]:
            yield f"{container.metadata.name} lacks {variable}={value}"


def _check_limits(container: Container, world: FakeWorld) -> Iterator[str]:
    facts = world.limits.get(Uid(container.metadata.uid or ""))
    wanted = container.spec.resources
    if facts is None:
        yield f"{container.metadata.name} has no cgroup"
    elif (facts.memory_bytes, facts.cpus, facts.pids) != (wanted.memory_bytes, wanted.cpus, wanted.pids):
        yield f"{container.metadata.name} has limits {facts}"
    elif (facts.cpu_shares, facts.block_io_weight) != (wanted.cpu_shares, wanted.block_io.weight):
        yield f"{container.metadata.name} has shares {facts}"
    elif {each.device for each in facts.devices} != set(wanted.block_io.devices):
        yield f"{container.metadata.name} has limits of devices {facts.devices}"


def _find_way(link: AttachmentFacts) -> str:
    """Return what a link hangs on: a bridge, or a parent."""
    return link.sublink.parent if link.sublink is not None else link.bridge


def _check_links(container: Container, snapshot: Snapshot, world: FakeWorld) -> Iterator[str]:
    name, uid = container.metadata.name, Uid(container.metadata.uid or "")
    isolated = container.spec.network_mode in (None, "none")
    if isolated != bool(world.namespaces.get(uid)):
        yield f"{name} has the wrong network namespace"
    found = {_find_way(link): link for key, link in world.links.items() if key[0] == uid}
    wanted = set()
    for attachment in container.spec.networks:
        network = snapshot.get(Key("Network", attachment.name))
        if not isinstance(network, Network) or network.assigned is None or container.assigned is None:
            yield f"{name} is on the unknown network {attachment.name}"
            continue
        way = network.assigned.bridge or network.assigned.parent  # neither for a plugin's
        wanted.add(way)
        link, place = found.get(way), container.assigned.networks[attachment.name]
        addresses = [(place.ipv4, network.assigned.subnet), (place.ipv6, network.assigned.ipv6_subnet)]
        texts = tuple(f"{own}/{subnet.partition('/')[2]}" for own, subnet in addresses if own)
        texts += tuple(f"{own}/{64 if ':' in own else 16}" for own in attachment.link_local_ips)
        right = link is not None and link.host_up and link.inside_up
        right = right and (network.spec.driver == "ipvlan" or (link is not None and link.mac == place.mac))
        if link is None or not right or link.addresses != texts:
            yield f"{name} is on {attachment.name} by {link}"
    if found.keys() - wanted:
        yield f"{name} is also on {found.keys() - wanted}"
    routes = [link.gateway for link in found.values() if link.gateway]
    if container.spec.networks and len(routes) > 1:
        yield f"{name} has default routes by {routes}"
