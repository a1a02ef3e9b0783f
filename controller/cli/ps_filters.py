"""Which containers ps shows: Docker's filters."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from controller.cli.client import Failure

KNOWN = "id, name, label, exited, status, ancestor, before, since, volume, network, publish, expose, health, is-task"
STATES = ("created", "restarting", "running", "removing", "paused", "exited", "dead", "failed")
_HEALTH = ("starting", "healthy", "unhealthy", "none")
_ALL_COUNT = ("label",)
"""Keys of which every filter has to hold; of others one is enough."""

Document = Mapping[str, Any]
Test = Callable[[Document], bool]


class Surroundings:
    """What filters look up: all containers and all images, as documents."""

    def __init__(self, containers: Sequence[Document], images: Callable[[], Sequence[Document]]) -> None:
        self._containers = containers
        self._list_images = images

    def find_container(self, word: str) -> Document:
        """Return the container that a filter names; Failure when there is none."""
        for container in self._containers:
            metadata = container["metadata"]
            if metadata["name"] == word.lstrip("/") or (len(word) > 3 and metadata["uid"].startswith(word)):
                return container
        raise Failure(f"--filter: container {word} does not exist: `hold ps -a` lists those that do")

    def list_descendants(self, word: str) -> frozenset[str]:
        """Return the names of the images that are, or are built upon, the image of a name or id."""
        images = self._list_images()
        name = word if ":" in word.rsplit("/", 1)[-1] or "@" in word else f"{word}:latest"
        digest = word.removeprefix("sha256:")
        found = [
            image
            for image in images
            if image["metadata"]["name"] == name
            or (len(digest) > 3 and _read_id(image).removeprefix("sha256:").startswith(digest))
        ]
        layers = [list(image.get("status", {}).get("layers", [])) for image in found]
        return frozenset(
            image["metadata"]["name"]
            for image in images
            if any(
                below and image.get("status", {}).get("layers", [])[: len(below)] == below for below in layers
            )
        )


def _read_id(image: Document) -> str:
    return str(image.get("status", {}).get("id", ""))


def read_filters(filters: Sequence[str], surroundings: Surroundings) -> Test:
    """Return the test that filters come to; Failure says what is wrong with one."""
    tests: dict[str, list[Test]] = {}
    for text in filters:
        key, equals, value = text.partition("=")
        if not equals or key not in KNOWN.split(", "):
            raise Failure(f"--filter {text!r}: write KEY=VALUE; keys are {KNOWN}")
        tests.setdefault(key, []).append(_read_test(key, value, surroundings))

    def passes(document: Document) -> bool:
        return all(
            (all if key in _ALL_COUNT else any)(test(document) for test in alternatives)
            for key, alternatives in tests.items()
        )

    return passes


def _read_test(key: str, value: str, surroundings: Surroundings) -> Test:
    if key in _READERS:
        return _READERS[key](key, value)
    if key == "ancestor":
        names = surroundings.list_descendants(value)
        return lambda each: each["spec"].get("image", "") in names
    return _read_order(key, surroundings.find_container(value))


def _read_label(_: str, value: str) -> Test:
    name, equals, wanted = value.partition("=")
    return lambda each: name in (labels := _labels(each)) and (not equals or labels[name] == wanted)


def _read_exited(key: str, value: str) -> Test:
    code = _read_number(key, value)
    return lambda each: find_state(each) == "exited" and _status(each).get("exitCode", 0) == code


def _read_status(key: str, value: str) -> Test:
    return _read_choice(key, value, STATES, find_state)


def _read_health(key: str, value: str) -> Test:
    return _read_choice(key, value, _HEALTH, _find_health)


def _read_volume(_: str, value: str) -> Test:
    return lambda each: any(value in (mount.get("source"), mount["target"]) for mount in _mounts(each))


def _read_network(_: str, value: str) -> Test:
    return lambda each: value in _networks(each)


def _read_task(_: str, value: str) -> Test:
    """Return a test for tasks of a swarm, which nothing here is."""
    return lambda _: value.lower() in ("false", "0")


def _read_pattern(key: str, value: str) -> Test:
    try:
        pattern = re.compile(value)
    except re.error as error:
        raise Failure(f"--filter {key}={value}: is no pattern: {error}") from error
    if key == "id":
        return lambda each: pattern.match(each["metadata"]["uid"]) is not None
    return lambda each: any(pattern.search(f"{slash}{each['metadata']['name']}") for slash in ("", "/"))


def _read_number(key: str, value: str) -> int:
    if not re.fullmatch(r"-?\d+", value):
        raise Failure(f"--filter {key}={value}: is not a number")
    return int(value)


def _read_choice(key: str, value: str, known: Sequence[str], find: Callable[[Document], str]) -> Test:
    if value not in known:
        raise Failure(f"--filter {key}={value}: known are {', '.join(known)}")
    return lambda each: find(each) == value


def _read_order(key: str, other: Document) -> Test:
    moment = str(other["metadata"].get("createdAt", ""))
    if key == "before":
        return lambda each: str(each["metadata"].get("createdAt", "")) < moment
    return lambda each: str(each["metadata"].get("createdAt", "")) > moment


def _read_ports(key: str, value: str) -> Test:
    """Return a test for a port such as `80`, `80/udp` or `8000-8010/tcp`."""
    match = re.fullmatch(r"(\d+)(?:-(\d+))?(?:/(tcp|udp|sctp))?", value)
    if match is None:
        raise Failure(
            f"--filter {key}={value}: write PORT or FIRST-LAST, with /udp or /sctp where it is not TCP"
        )
    first, protocol = int(match[1]), match[3] or "tcp"
    wanted = range(first, int(match[2] or first) + 1)
    field = "hostPort" if key == "publish" else "containerPort"

    def test(document: Document) -> bool:
        ports = _status(document).get("ports") or document["spec"].get("ports", [])
        numbers = {
            int(port.get(field, 0) or port["containerPort"])
            for port in ports
            if port.get("protocol", "tcp") == protocol
        }
        if key == "expose":
            exposed = (text.partition("/") for text in document["spec"].get("expose", []))
            numbers |= {
                int(port) for port, _, kind in exposed if (kind or "tcp") == protocol and port.isdigit()
            }
        return not numbers.isdisjoint(wanted)

    return test


_READERS: Mapping[str, Callable[[str, str], Test]] = {
    "name": _read_pattern,
    "id": _read_pattern,
    "label": _read_label,
    "exited": _read_exited,
    "status": _read_status,
    "health": _read_health,
    "volume": _read_volume,
    "network": _read_network,
    "publish": _read_ports,
    "expose": _read_ports,
    "is-task": _read_task,
}


def _labels(document: Document) -> Mapping[str, str]:
    labels: Mapping[str, str] = document["metadata"].get("labels", {})
    return labels


def _status(document: Document) -> Mapping[str, Any]:
    status: Mapping[str, Any] = document.get("status", {})
    return status


def _mounts(document: Document) -> Sequence[Mapping[str, Any]]:
    mounts: Sequence[Mapping[str, Any]] = document["spec"].get("mounts", [])
    return mounts


def _networks(document: Document) -> list[str]:
    joined = [
        each["name"]
        for each in (*_status(document).get("networks", []), *document["spec"].get("networks", []))
    ]
    return [*joined, document["spec"].get("networkMode", "")]


def _find_health(document: Document) -> str:
    return str(_status(document).get("health", {}).get("state", "none"))


def find_state(document: Document) -> str:
    """Return the state in Docker's words; `failed` is a container that can't be started."""
    status = _status(document)
    phase = str(status.get("phase", "Pending"))
    if document["metadata"].get("deletedAt"):
        return "removing"
    if phase in ("Running", "Stopping"):
        return "running"
    if phase in ("Pending", "Creating"):
        return "restarting" if status.get("finishedAt") and status.get("restarts", 0) else "created"
    return phase.lower()
