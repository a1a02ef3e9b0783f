"""Which devices a container has, and which it may use."""

from collections.abc import Iterator
from typing import Any

from controller.model.container import ContainerSpec
from controller.model.devices import Device, split_device_rule
from controller.model.facts import DeviceNode
from controller.plan.oci.surroundings import Surroundings

EVERY_DEVICE = "/dev"
_ALL_ACCESS = "rwm"
_COMMON = [
    ("c", 1, 3), ("c", 1, 5), ("c", 1, 7), ("c", 1, 8), ("c", 1, 9), ("c", 5, 0), ("c", 5, 2), ("c", 136, None),
]  # fmt: skip
"""null, zero, full, random, urandom, tty, ptmx and pseudo-terminals (devices.txt of the kernel)."""
_MADE_BY_RUNTIMES = {
    f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom", "tty", "console", "ptmx")
}


def list_device_sources(spec: ContainerSpec) -> tuple[str, ...]:
    """Return the paths of the host whose devices have to be known to render a container."""
    every = (EVERY_DEVICE,) if spec.privileged else ()
    return tuple(dict.fromkeys([*every, *(device.source for device in spec.devices)]))


def render_device_nodes(spec: ContainerSpec, surroundings: Surroundings) -> list[dict[str, Any]]:
    """Return `linux.devices`: nodes to make in the container, each path once."""
    nodes: dict[str, DeviceNode] = {}
    if spec.privileged:
        nodes |= {node.path: node for node in surroundings.devices.get(EVERY_DEVICE, ())}
    for device in spec.devices:
        for path, node in _list_nodes(device, surroundings):
            nodes[path] = node
    return [_render_node(path, node) for path, node in nodes.items() if path not in _MADE_BY_RUNTIMES]


def render_device_rules(spec: ContainerSpec, surroundings: Surroundings) -> list[dict[str, Any]]:
    """Return `linux.resources.devices`: nothing but what is named, and nodes may be made of anything."""
    if spec.privileged:
        return [{"allow": True, "access": _ALL_ACCESS}]
    rules: list[dict[str, Any]] = [{"allow": False, "access": _ALL_ACCESS}]
    rules += [{"allow": True, "type": kind, "access": "m"} for kind in ("c", "b")]
    for kind, major, minor in _COMMON:
        rule: dict[str, Any] = {"allow": True, "type": kind, "major": major, "access": _ALL_ACCESS}
        rules.append(rule | ({"minor": minor} if minor is not None else {}))
    for device in spec.devices:
        for _, node in _list_nodes(device, surroundings):
            rule = {"allow": True, "type": node.kind, "major": node.major, "minor": node.minor}
            rules.append(rule | {"access": device.permissions})
    return [*rules, *(_render_own_rule(text) for text in spec.device_cgroup_rules)]


def _list_nodes(device: Device, surroundings: Surroundings) -> Iterator[tuple[str, DeviceNode]]:
    """Yield each device of the host with its path in the container."""
    source, target = device.source.rstrip("/"), (device.target or device.source).rstrip("/")
    for node in surroundings.devices.get(device.source, ()):
        yield target + node.path.removeprefix(source), node


def _render_node(path: str, node: DeviceNode) -> dict[str, Any]:
    return {
        "path": path,
        "type": node.kind,
        "major": node.major,
        "minor": node.minor,
        "fileMode": node.mode,
        "uid": node.uid,
        "gid": node.gid,
    }


def _render_own_rule(text: str) -> dict[str, Any]:
    parts = split_device_rule(text)
    rule: dict[str, Any] = {"allow": True, "type": parts["type"], "access": parts["access"]}
    return rule | {name: int(parts[name]) for name in ("major", "minor") if parts[name] != "*"}
