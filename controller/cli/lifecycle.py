"""start, stop, restart, kill, pause, unpause, update: writes of desired state, one container after another."""

import argparse
import sys
from collections.abc import Callable

from controller.api.v1 import container_pb2, resource_pb2
from controller.cli.client import PATIENCE_S, Client, Failure
from controller.cli.detach_keys import add_detach_keys_flag
from controller.cli.following import follow
from controller.cli.limits import add_limit_flags, has_limits, set_limits, set_restart
from controller.cli.refused_flags import OF_LIMITS, OF_START, add_refused_flags
from controller.cli.terminal import add_sig_proxy_flag
from controller.cli.transport import CallFailed
from controller.cli.waiting import Narrator, find_setback, wait_for_status

_ENDED = ("Exited", "Failed")
_FOR_EVER_S = 1e9
_LIMITS_STEP = "set limits"
"""How the step begins that a change of limits takes, where a condition tells of it."""


def add_names(parser: argparse.ArgumentParser) -> None:
    """Add the containers that a command is about."""
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


# --- start ---


def add_start(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold start`."""
    add_names(parser)
    parser.add_argument("-a", "--attach", action="store_true", help="Go along with its output to its end.")
    parser.add_argument("-i", "--interactive", action="store_true", help="As -a, and send standard input.")
    add_detach_keys_flag(parser)
    add_sig_proxy_flag(parser)
    add_refused_flags(parser, OF_START)


def run_start(client: Client, options: argparse.Namespace) -> int:
    """Start containers and wait until they run; with -a or -i, until it has ended."""
    if not (options.attach or options.interactive):
        return _for_each(options.containers, lambda name: _start(client, name))
    if len(options.containers) != 1:
        raise Failure("-a and -i go along with one container: name one")
    from controller.cli.execute import converse_attached

    container = client.find_container(options.containers[0])
    stdin = options.interactive and container.container.stdin_open
    return converse_attached(client, container, options, stdin=stdin, start=True)


def _start(client: Client, name: str) -> None:
    request = container_pb2.StartRequest(container=name)
    answer = client.channel.unary("ContainerService/Start", request, container_pb2.StartResponse)
    _await_run(client, answer.resource, give_up=answer.was_at_rest)


def _await_run(client: Client, container: resource_pb2.Resource, *, give_up: bool) -> None:
    """Return once it runs; Failure tells why it does not. With `give_up` a start that keeps failing is taken back."""
    narrator = Narrator(container.metadata.name)
    request = container_pb2.AwaitStartRequest(
        container=container.metadata.uid, run=container.container.run, give_up=give_up
    )
    answers = follow(
        client.channel,
        "ContainerService/AwaitStart",
        container_pb2.AwaitStartResponse,
        lambda: request,
        patience_s=PATIENCE_S,
    )
    for answer in answers:
        if answer.HasField("waiting"):
            narrator.tell(answer.waiting.reason, answer.waiting.message)
        elif answer.exit.error:
            raise Failure(f"{container.metadata.name} can't be started: {answer.exit.error}")


# --- stop, restart, kill ---


def _add_ending_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-t",
        "--time",
        "--timeout",
        type=float,
        metavar="SECONDS",
        help="Time until SIGKILL instead of the container's own; -1 waits for ever.",
    )
    parser.add_argument(
        "-s", "--signal", default="", help="Signal to begin with instead of the container's own."
    )


def _read_grace_period_s(options: argparse.Namespace) -> float | None:
    if options.time is None:
        return None
    return float(options.time) if options.time >= 0 else _FOR_EVER_S


def add_stop(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold stop`."""
    add_names(parser)
    _add_ending_flags(parser)


def run_stop(client: Client, options: argparse.Namespace) -> int:
    """Stop containers and wait until their processes have ended."""
    return _for_each(options.containers, lambda name: _stop(client, name, options))


def _stop(client: Client, name: str, options: argparse.Namespace) -> None:
    request = container_pb2.StopRequest(
        container=name, signal=options.signal, grace_period_s=_read_grace_period_s(options)
    )
    answer = client.channel.unary("ContainerService/Stop", request, container_pb2.StopResponse)
    wait_for_status(client, answer.resource, _is_at_rest)


def _is_at_rest(state: resource_pb2.Resource) -> bool:
    """Tell whether no process is there, and none comes."""
    status = state.container_status
    is_current = status.observed_generation >= state.metadata.generation
    return status.phase in _ENDED or (is_current and status.phase == "Pending")


def add_restart(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold restart`."""
    add_names(parser)
    _add_ending_flags(parser)


def run_restart(client: Client, options: argparse.Namespace) -> int:
    """Ask for a new run of each container and wait until it runs."""
    return _for_each(options.containers, lambda name: _restart(client, name, options))


def _restart(client: Client, name: str, options: argparse.Namespace) -> None:
    request = container_pb2.RestartRequest(
        container=name, signal=options.signal, grace_period_s=_read_grace_period_s(options)
    )
    answer = client.channel.unary("ContainerService/Restart", request, container_pb2.RestartResponse)
    _await_run(client, answer.resource, give_up=False)


def add_kill(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold kill`."""
    add_names(parser)
    parser.add_argument("-s", "--signal", default="SIGKILL", help="Signal to send; SIGKILL.")


def run_kill(client: Client, options: argparse.Namespace) -> int:
    """Send a signal; one that ends the process also makes `stopped` the desired state."""
    return _for_each(options.containers, lambda name: _signal(client, name, options.signal))


def _signal(client: Client, name: str, signal: str) -> None:
    request = container_pb2.SignalRequest(container=name, signal=signal)
    client.channel.unary("ContainerService/Signal", request, container_pb2.SignalResponse)


# --- pause, unpause ---


def add_pause(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold pause`."""
    add_names(parser)


def run_pause(client: Client, options: argparse.Namespace) -> int:
    """Freeze containers."""
    return _for_each(
        options.containers, lambda name: _set_paused(client, name, "paused", "Paused", "Running")
    )


def add_unpause(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold unpause`."""
    add_names(parser)


def run_unpause(client: Client, options: argparse.Namespace) -> int:
    """Let frozen containers go on."""
    return _for_each(
        options.containers, lambda name: _set_paused(client, name, "running", "Running", "Paused")
    )


def _set_paused(client: Client, name: str, desired: str, phase: str, present: str) -> None:
    def edit(resource: resource_pb2.Resource) -> None:
        found = resource.container_status.phase or "Pending"
        if found != present:
            raise Failure(f"container {name} is {found.lower()}, not {present.lower()}")
        resource.container.desired = desired

    container = _want(client, name, edit)
    wait_for_status(client, container, lambda state: state.container_status.phase in (phase, *_ENDED))


# --- update ---


def add_update(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold update`."""
    add_names(parser)
    add_limit_flags(parser)
    parser.add_argument("--restart", default="", help="Restart policy.")
    add_refused_flags(parser, OF_LIMITS)


def run_update(client: Client, options: argparse.Namespace) -> int:
    """Change limits and restart policy in place."""
    if not options.restart and not has_limits(options):
        raise Failure("say what to change: name a limit or --restart; see `hold update --help`")

    def edit(resource: resource_pb2.Resource) -> None:
        set_limits(resource.container, options)
        if options.restart:
            set_restart(resource.container, options.restart)

    return _for_each(options.containers, lambda name: _update(client, name, edit))


def _update(client: Client, name: str, edit: Callable[[resource_pb2.Resource], None]) -> None:
    """Change what is declared; when the host can't do it for the process that runs, all is put back as it was."""
    before = client.find_container(name)
    changed = _want(client, name, edit)
    if not before.container_status.pid:
        return
    generation = changed.metadata.generation
    state = wait_for_status(
        client, changed, lambda state: state.container_status.observed_generation >= generation
    )
    setback = find_setback(state)
    if setback.startswith(_LIMITS_STEP):
        _want(client, name, lambda present: _put_back(present, before))
        raise Failure(f"{name} is left as it was: {setback}")


def _put_back(present: resource_pb2.Resource, before: resource_pb2.Resource) -> None:
    for field in ("resources", "restart"):
        getattr(present.container, field).CopyFrom(getattr(before.container, field))
