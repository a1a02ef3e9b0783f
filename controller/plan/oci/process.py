"""The program of a container: arguments, environment, identity."""

from typing import Any

from controller.errors import Refused
from controller.model.container import Container, ContainerSpec
from controller.model.image import ImageConfig
from controller.plan.oci.capabilities import render_capabilities
from controller.plan.oci.surroundings import Surroundings
from controller.plan.oci.users import resolve_user

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NOFILE_SOFT = 1024
"""The soft limit that programs using select(2) can live with; those that can use more raise it themselves."""
NOFILE_HARD = 524288


def render_process_section(container: Container, hostname: str, surroundings: Surroundings) -> dict[str, Any]:
    """Return `process` of the OCI configuration; Refused when there is no program or no such user."""
    spec, image_config = container.spec, surroundings.image_config
    user = resolve_user(spec.user or image_config.user or "", surroundings.accounts)
    environment = choose_environment(spec, image_config, hostname=hostname, home=user.home)
    return {
        "terminal": spec.tty,
        "user": {
            "uid": user.uid,
            "gid": user.gid,
            "umask": 0o022,
            "additionalGids": list(user.additional_gids),
        },
        "args": list(choose_arguments(spec, image_config)),
        "env": [f"{name}={value}" for name, value in environment.items()],
        "cwd": choose_working_dir(spec, image_config),
        "capabilities": render_capabilities(user.uid),
        "rlimits": [{"type": "RLIMIT_NOFILE", "soft": NOFILE_SOFT, "hard": NOFILE_HARD}],
        "noNewPrivileges": False,
        "oomScoreAdj": 0,
    }


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
