"""An object by the names that Docker's `inspect` gives its fields, for templates written for it."""

from collections.abc import Mapping
from typing import Any

from controller.cli.docker_limits import view_health, view_limits
from controller.cli.docker_logs import view_log
from controller.cli.docker_mounts import view_binds, view_mounts
from controller.cli.docker_networks import view_network, view_places, view_port_bindings
from controller.cli.docker_process import list_words, view_config

Document = Mapping[str, Any]

_NEVER = "0001-01-01T00:00:00Z"
_STATES = {"Running": "running", "Stopping": "running", "Paused": "paused", "Exited": "exited"}


def view_as_docker(document: Document, image: Document | None = None) -> dict[str, Any]:
    """Return the document with Docker's fields beside its own; capitals keep the two apart.

    `image` is the configuration of a container's image, whose values are shown where the container has none.
    """
    metadata, spec, status = document["metadata"], document.get("spec", {}), document.get("status", {})
    common: dict[str, Any] = {
        "Id": metadata.get("uid", ""),
        "Name": metadata["name"],
        "Created": metadata.get("createdAt", ""),
        "Labels": metadata.get("labels", {}),
    }
    match document["kind"]:
        case "Container":
            common |= _view_container(metadata, spec, status, image or {})
        case "Network":
            common |= view_network(document)
        case "Volume":
            common |= {
                "Driver": spec.get("driver", "local"),
                "Mountpoint": status.get("path", ""),
                "Scope": "local",
                "CreatedAt": metadata.get("createdAt", ""),
                "Options": spec.get("driverOptions", {}),
                "Status": status,
                "UsageData": {
                    "RefCount": len(document.get("containers", ())),
                    "Size": document.get("usage", {}).get("size", -1),
                },
            }
        case _:
            pass
    return {**common, **document}


def _view_container(metadata: Document, spec: Document, status: Document, image: Document) -> dict[str, Any]:
    command = [word for words in list_words(spec, image) for word in words]
    return {
        "Name": f"/{metadata['name']}",
        "Path": command[0] if command else "",
        "Args": command[1:],
        "Image": spec.get("image", ""),
        "Platform": "linux",
        "Driver": "overlay2",
        "RestartCount": status.get("restarts", 0),
        "State": _view_state(status),
        "Config": view_config(metadata, spec, image),
        "HostConfig": _view_host_config(spec),
        "Mounts": view_mounts(spec, status),
        "NetworkSettings": view_places(metadata, spec, status),
    }


def _view_state(status: Document) -> dict[str, Any]:
    phase = status.get("phase", "Pending")
    state: dict[str, Any] = {
        "Status": _STATES.get(phase, "created"),
        "Running": phase in ("Running", "Paused", "Stopping"),
        "Paused": phase == "Paused",
        "Restarting": False,
        "OOMKilled": status.get("oomKilled", False),
        "Dead": False,
        "Pid": status.get("pid", 0),
        "ExitCode": status.get("exitCode", 0),
        "Error": status.get("error", ""),
        "StartedAt": status.get("startedAt", _NEVER),
        "FinishedAt": status.get("finishedAt", _NEVER),
    }
    health = status.get("health")
    if isinstance(health, Mapping):
        state["Health"] = view_health(health)
    return state


def _view_host_config(spec: Document) -> dict[str, Any]:
    restart = spec.get("restart", {})
    networks = spec.get("networks", [])
    return {
        "NetworkMode": spec.get("networkMode") or (networks[0]["name"] if networks else "bridge"),
        "RestartPolicy": {
            "Name": restart.get("name", "no"),
            "MaximumRetryCount": restart.get("maxRetries", 0),
        },
        "AutoRemove": spec.get("autoRemove", False),
        "ReadonlyRootfs": spec.get("readOnly", False),
        "Privileged": spec.get("privileged", False),
        "CapAdd": spec.get("capAdd", []),
        "CapDrop": spec.get("capDrop", []),
        "SecurityOpt": _view_security(spec.get("securityOpt", {})),
        "Devices": [_view_device(each) for each in spec.get("devices", [])],
        "DeviceCgroupRules": spec.get("deviceCgroupRules", []),
        "Sysctls": spec.get("sysctls", {}),
        "GroupAdd": spec.get("groupAdd", []),
        "Init": spec.get("init", False),
        "ShmSize": spec.get("shmSize", 64 << 20),
        "PidMode": spec.get("pid", ""),
        "IpcMode": spec.get("ipc", "private"),
        "UTSMode": spec.get("uts", ""),
        "CgroupnsMode": spec.get("cgroup", "private"),
        "UsernsMode": spec.get("userNamespace", "host"),
        "ExtraHosts": [f"{each['hostname']}:{each['address']}" for each in spec.get("extraHosts", [])],
        "Dns": spec.get("dns", []),
        "DnsSearch": spec.get("dnsSearch", []),
        "DnsOptions": spec.get("dnsOpt", []),
        "Links": [
            f"/{each['container']}:{each.get('alias') or each['container']}" for each in spec.get("links", [])
        ],
        "VolumesFrom": [f"{each['container']}:{_view_access(each)}" for each in spec.get("volumesFrom", [])],
        "PublishAllPorts": spec.get("publishAll", False),
        "PortBindings": view_port_bindings(spec),
        "LogConfig": view_log(spec.get("logging", {})),
        **view_binds(spec),
        **view_limits(spec),
    }


def _view_access(source: Document) -> str:
    return "ro" if source.get("readOnly") else "rw"


def _view_device(device: Document) -> dict[str, str]:
    return {
        "PathOnHost": device["source"],
        "PathInContainer": device.get("target") or device["source"],
        "CgroupPermissions": device.get("permissions", "rwm"),
    }


def _view_security(options: Document) -> list[str]:
    """Return Docker's words for security options."""
    words = ["no-new-privileges"] if options.get("noNewPrivileges") else []
    words += ["seccomp=unconfined"] if options.get("seccomp") == "unconfined" else []
    words += [f"apparmor={options['apparmor']}"] if options.get("apparmor") else []
    return words + [f"label={label}" for label in options.get("labels", [])]
