"""start, stop, restart, kill, pause, unpause, rm, update: writes of desired state, one container after another."""

import argparse
import re
import sys
from collections.abc import Callable

from controller.api.v1 import container_pb2, resource_pb2, state_pb2
from controller.cli.client import FAILED_PRECONDITION, NOT_FOUND, Client, Failure
from controller.cli.declare import wait_until_gone
from controller.cli.limits import add_limit_flags, set_limits, set_restart
from controller.cli.transport import CallFailed, Channel
from controller.cli.wait import deadline

_ENDED = ("Exited", "Failed")
_ALIVE = ("Running", "Paused", "Stopping")


def _add_names(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("containers", nargs="+", metavar="CONTAINER", help="Name, or the beginning of an id.")


def _for_each(names: list[str], body: Callable[[str], None]) -> int:
    """Do it for each name and print the name; exit code 1 when one failed, after all were tried."""
    code = 0
    for name in names:
        try:
            body(name)
            print(name, flush=True)
        except (CallFailed, Failure) as error:
            print(f"hold: {error}", file=sys.stderr)
            code = 1
    return code


def _want(client: Client, name: str, edit: Callable[[resource_pb2.Resource], None]) -> resource_pb2.Resource:
    return client.change("Container", name, edit)


def wait_for_status(
    client: Client, container: resource_pb2.Resource, test: Callable[[resource_pb2.Resource], bool]
) -> resource_pb2.Resource:
    """Return the first state of the container that passes the test, or the last when it goes away.

    A container of the same name that was made later counts as gone.
    """
    last, is_there = container, False
    for change in client.watch("Container", container.metadata.name):
        if change.type == "SYNCED":
            if not is_there:
                break
            continue
        if change.resource.metadata.uid != container.metadata.uid:
            break
        last, is_there = change.resource, True
        if change.type == "DELETED" or test(last):
            break
    return last


# --- start ---


def add_start(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold start`."""
    _add_names(parser)


def run_start(client: Client, options: argparse.Namespace) -> int:
    """Start containers and wait until they run."""
    return _for_each(options.containers, lambda name: _start(client, name))


def _start(client: Client, name: str) -> None:
    def edit(resource: resource_pb2.Resource) -> None:
        spec, status = resource.container, resource.container_status
        if status.phase not in _ALIVE or spec.desired == "stopped":
            spec.run = max(spec.run, status.run) + 1
        spec.desired = "running"

    _await_run(client, _want(client, name, edit))


def _await_run(client: Client, container: resource_pb2.Resource) -> None:
    run = container.container.run

    def test(state: resource_pb2.Resource) -> bool:
        status = state.container_status
        return status.run >= run and status.phase in ("Running", *_ENDED)

    status = wait_for_status(client, container, test).container_status
    if status.phase == "Failed":
        raise Failure(f"{container.metadata.name} can't be started: {status.error}")


# --- stop, restart, kill ---


def _add_time(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-t",
        "--time",
        type=float,
        metavar="SECONDS",
        help="Time until SIGKILL instead of the container's own.",
    )
    parser.add_argument(
        "-s", "--signal", default="", help="Signal to begin with instead of the container's own."
    )


def add_stop(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold stop`."""
    _add_names(parser)
    _add_time(parser)


def run_stop(client: Client, options: argparse.Namespace) -> int:
    """Stop containers and wait until their processes have ended."""
    return _for_each(options.containers, lambda name: _stop(client, name, options))


def _stop(client: Client, name: str, options: argparse.Namespace) -> None:
    def edit(resource: resource_pb2.Resource) -> None:
        resource.container.desired = "stopped"

    container = _want(client, name, edit)
    if container.container_status.phase not in _ALIVE:
        return
    if options.signal:
        _signal(client, container.metadata.uid, options.signal)
    if options.time is None or options.time >= container.container.stop_grace_period_s:
        wait_for_status(client, container, _has_ended)
        return
    if options.time <= 0:
        _kill(client, container)
        return
    try:
        with deadline(options.time):
            wait_for_status(client, container, _has_ended)
    except TimeoutError:
        # The call that the deadline broke into leaves its connection in an unknown state.
        _kill(Client(Channel(client.channel.address)), container)


def _has_ended(state: resource_pb2.Resource) -> bool:
    return state.container_status.phase in _ENDED


def _kill(client: Client, container: resource_pb2.Resource) -> None:
    """Send SIGKILL and wait for the end."""
    try:
        _signal(client, container.metadata.uid, "SIGKILL")
    except CallFailed as error:
        if error.code not in (NOT_FOUND, FAILED_PRECONDITION):  # it has ended by itself
            raise
    wait_for_status(client, container, _has_ended)


def _signal(client: Client, name: str, signal: str) -> None:
    request = container_pb2.SignalRequest(container=name, signal=signal)
    client.channel.unary("ContainerService/Signal", request, container_pb2.SignalResponse)


def add_restart(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold restart`."""
    _add_names(parser)
    _add_time(parser)


def run_restart(client: Client, options: argparse.Namespace) -> int:
    """Ask for a new run of each container and wait until it runs."""
    return _for_each(options.containers, lambda name: _restart(client, name, options))


def _restart(client: Client, name: str, options: argparse.Namespace) -> None:
    alive = False

    def edit(resource: resource_pb2.Resource) -> None:
        nonlocal alive
        alive = resource.container_status.phase in _ALIVE
        resource.container.run = max(resource.container.run, resource.container_status.run) + 1
        resource.container.desired = "running"
        if options.time is not None:
            before.append(resource.container.stop_grace_period_s)
            resource.container.stop_grace_period_s = options.time

    before: list[float] = []
    container = _want(client, name, edit)
    _await_run(client, container)
    if before:
        _want(client, name, lambda resource: setattr(resource.container, "stop_grace_period_s", before[0]))


def add_kill(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold kill`."""
    _add_names(parser)
    parser.add_argument("-s", "--signal", default="SIGKILL", help="Signal to send; SIGKILL.")


def run_kill(client: Client, options: argparse.Namespace) -> int:
    """Send a signal; one that ends the process also makes `stopped` the desired state."""
    return _for_each(options.containers, lambda name: _signal(client, name, options.signal))


# --- pause, unpause ---


def add_pause(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold pause`."""
    _add_names(parser)


def run_pause(client: Client, options: argparse.Namespace) -> int:
    """Freeze containers."""
    return _for_each(
        options.containers, lambda name: _set_paused(client, name, "paused", "Paused", "Running")
    )


def add_unpause(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold unpause`."""
    _add_names(parser)


def run_unpause(client: Client, options: argparse.Namespace) -> int:
    """Let frozen containers go on."""
    return _for_each(
        options.containers, lambda name: _set_paused(client, name, "running", "Running", "Paused")
    )


def _set_paused(client: Client, name: str, desired: str, phase: str, present: str) -> None:
    def edit(resource: resource_pb2.Resource) -> None:
        if resource.container_status.phase != present:
            raise Failure(f"container {name} is {resource.container_status.phase}, not {present}")
        resource.container.desired = desired

    container = _want(client, name, edit)
    wait_for_status(client, container, lambda state: state.container_status.phase in (phase, *_ENDED))


# --- rm ---


def add_rm(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold rm`."""
    _add_names(parser)
    parser.add_argument("-f", "--force", action="store_true", help="Kill it first if it runs.")
    parser.add_argument("-v", "--volumes", action="store_true", help="Remove its anonymous volumes too.")


def run_rm(client: Client, options: argparse.Namespace) -> int:
    """Remove containers and wait until nothing of them is left."""
    code = 0
    doomed: list[state_pb2.Key] = []
    volumes: list[str] = []
    for name in options.containers:
        try:
            container = _remove(client, name, force=options.force)
            doomed.append(state_pb2.Key(kind="Container", name=container.metadata.name))
            volumes += _list_anonymous(container)
        except (CallFailed, Failure) as error:
            print(f"hold: {error}", file=sys.stderr)
            code = 1
    wait_until_gone(client, doomed)
    for key in doomed:
        print(key.name)
    if options.volumes:
        _remove_volumes(client, volumes)
    return code


def _list_anonymous(container: resource_pb2.Resource) -> list[str]:
    """Return the volumes that `-v TARGET` made for the container: those whose name is 32 hex digits."""
    return [
        mount.source
        for mount in container.container.mounts
        if mount.type == "volume" and re.fullmatch(r"[0-9a-f]{32}", mount.source)
    ]


def _remove_volumes(client: Client, names: list[str]) -> None:
    """Remove volumes that no other container uses."""
    keys = [state_pb2.Key(kind="Volume", name=name) for name in names]
    for key in keys:
        try:
            client.delete(state_pb2.DeleteRequest(keys=[key]))
        except CallFailed as error:
            if error.code not in (NOT_FOUND, FAILED_PRECONDITION):
                raise


def _remove(client: Client, name: str, *, force: bool) -> resource_pb2.Resource:
    container = client.find_container(name)
    if container.container_status.phase in _ALIVE and not force:
        raise Failure(f"container {name} runs: stop it first, or remove it by force (-f)")
    key = state_pb2.Key(kind="Container", name=container.metadata.name)
    grace_period_s = 0.0 if force else None
    client.delete(
        state_pb2.DeleteRequest(keys=[key], manager=container.metadata.manager, grace_period_s=grace_period_s)
    )
    return container


# --- update ---


def add_update(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold update`."""
    _add_names(parser)
    add_limit_flags(parser)
    parser.add_argument("--restart", default="", help="Restart policy.")


def run_update(client: Client, options: argparse.Namespace) -> int:
    """Change limits and restart policy in place."""

    def edit(resource: resource_pb2.Resource) -> None:
        set_limits(resource.container, options)
        if options.restart:
            set_restart(resource.container, options.restart)

    return _for_each(options.containers, lambda name: _drop(_want(client, name, edit)))


def _drop(_: object) -> None:
    return None
