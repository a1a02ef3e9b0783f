"""What a container runs, in the fields of Docker's Config: the spec's own, and the image's where the spec has none."""

from collections.abc import Mapping
from typing import Any

from controller.cli.docker_limits import view_healthcheck

Document = Mapping[str, Any]


def list_words(spec: Document, image: Document) -> tuple[list[str], list[str]]:
    """Return entrypoint and command; an entrypoint of the spec's own puts the image's command aside."""
    entrypoint = spec.get("entrypoint", image.get("entrypoint", []))
    command = spec.get("command", [] if "entrypoint" in spec else image.get("command", []))
    return list(entrypoint), list(command)


def view_config(metadata: Document, spec: Document, image: Document) -> dict[str, Any]:
    """Return Config; `image` is the configuration of the container's image, empty when there is none."""
    entrypoint, command = list_words(spec, image)
    environment = image.get("environment", {}) | spec.get("environment", {})
    check = spec.get("healthcheck", image.get("healthcheck"))
    return {
        "Hostname": spec.get("hostname", metadata.get("uid", "")[:12]),
        "Domainname": spec.get("domainname", ""),
        "User": spec.get("user", image.get("user", "")),
        "Tty": spec.get("tty", False),
        "OpenStdin": spec.get("stdinOpen", False),
        "Env": [f"{name}={value}" for name, value in environment.items()],
        "Cmd": command,
        "Entrypoint": entrypoint,
        "Image": spec.get("image", ""),
        "WorkingDir": spec.get("workingDir", image.get("workingDir", "")),
        "Labels": image.get("labels", {}) | metadata.get("labels", {}),
        "StopSignal": spec.get("stopSignal", image.get("stopSignal", "")),
        "ExposedPorts": _list_exposed(spec, image),
        "Volumes": {path: {} for path in image.get("volumes", [])},
        **({"Healthcheck": view_healthcheck(check)} if check else {}),
    }


def _list_exposed(spec: Document, image: Document) -> dict[str, dict[str, str]]:
    published = (f"{each['containerPort']}/{each.get('protocol', 'tcp')}" for each in spec.get("ports", []))
    return {
        port: {} for port in sorted({*image.get("exposedPorts", []), *spec.get("expose", []), *published})
    }
