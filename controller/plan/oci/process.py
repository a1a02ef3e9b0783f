"""The program of a container: arguments, environment, identity."""

from collections.abc import Sequence
from typing import Any

from controller.errors import Refused
from controller.model.container import Container, ContainerSpec
from controller.model.image import ImageConfig
from controller.plan.oci.capabilities import render_capabilities
from controller.plan.oci.labels import derive_label
from controller.plan.oci.limits import render_rlimits
from controller.plan.oci.mounts import INIT_TARGET
from controller.plan.oci.surroundings import Surroundings
from controller.plan.oci.users import find_gid, resolve_user

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def render_process_section(
    container: Container, hostname: str, capabilities: Sequence[str], surroundings: Surroundings
) -> dict[str, Any]:
    """Return `process` of the OCI configuration; Refused when there is no program, no such user or no init."""
    spec, image_config = container.spec, surroundings.image_config
    accounts = surroundings.accounts
    user = resolve_user(spec.user or image_config.user or "", accounts)
    groups = [*user.list_groups(), *(find_gid(name, accounts.group) for name in spec.group_add)]
    environment = choose_environment(spec, image_config, hostname=hostname, home=user.home)
    return {
        "terminal": spec.tty,
        "user": {
            "uid": user.uid,
            "gid": user.gid,
            "umask": 0o022,
            "additionalGids": list(dict.fromkeys(groups)),
        },
        "args": [*_choose_init(spec, surroundings), *choose_arguments(spec, image_config)],
        "env": [f"{name}={value}" for name, value in environment.items()],
        "cwd": choose_working_dir(spec, image_config),
        "capabilities": render_capabilities(capabilities, user.uid),
        "rlimits": render_rlimits(surroundings.host.defaults.choose_ulimits(spec)),
        "noNewPrivileges": spec.security_opt.no_new_privileges,
        "oomScoreAdj": spec.oom_score_adj or 0,
        **_render_modules(spec),
    }


def _choose_init(spec: ContainerSpec, surroundings: Surroundings) -> tuple[str, ...]:
    """Return the words of the init before the program; it adopts orphans also where it isn't process 1."""
    if not surroundings.host.defaults.wants_init(spec):
        return ()
    if not surroundings.host.init_path:
        raise Refused("init is asked for and the host has none: apt install tini, or say init: false")
    return (INIT_TARGET, *(("-s",) if spec.pid is not None else ()), "--")


def _render_modules(spec: ContainerSpec) -> dict[str, str]:
    """Return what the host's security modules are told; a privileged container is not confined by them."""
    security = spec.security_opt
    if spec.privileged:
        return {}
    label = derive_label(security.labels)
    named = security.apparmor if security.apparmor != "unconfined" else None
    return ({"apparmorProfile": named} if named else {}) | ({"selinuxLabel": label} if label else {})


def choose_arguments(spec: ContainerSpec, image_config: ImageConfig) -> tuple[str, ...]:
    """Return entrypoint and command; an entrypoint of the spec's own makes the image's command void."""
    if spec.entrypoint is not None:
        entrypoint = tuple(word for word in spec.entrypoint if word)
        command = spec.command or ()
    else:
        entrypoint = image_config.entrypoint or ()
        command = spec.command if spec.command is not None else image_config.command or ()
    arguments = (*entrypoint, *command)
    if not arguments:
        raise Refused("there is nothing to run: give command or entrypoint")
    return arguments


def choose_working_dir(spec: ContainerSpec, image_config: ImageConfig) -> str:
    """Return the absolute working directory."""
    directory = spec.working_dir or image_config.working_dir or "/"
    return directory if directory.startswith("/") else f"/{directory}"


def choose_environment(
    spec: ContainerSpec, image_config: ImageConfig, *, hostname: str, home: str
) -> dict[str, str]:
    """Return the variables as Docker composes them: defaults, then the image's, then the spec's."""
    defaults = {"PATH": DEFAULT_PATH, "HOSTNAME": hostname}
    if spec.tty:
        defaults["TERM"] = "xterm"
    environment = defaults | image_config.environment | spec.environment
    environment.setdefault("HOME", home)
    return environment
