"""run, create: a container out of Docker's flags."""

import argparse
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from controller.api.v1 import container_pb2, resource_pb2, state_pb2
from controller.cli.client import Client
from controller.cli.detach_keys import add_detach_keys_flag, parse_detach_keys
from controller.cli.health import add_health_flags, set_health
from controller.cli.limits import (
    add_limit_flags,
    add_process_limit_flags,
    set_limits,
    set_process_limits,
    set_restart,
)
from controller.cli.pairs import read_pair_files, read_pairs
from controller.cli.parser import EXIT_DAEMON
from controller.cli.refused_flags import OF_RUN, OF_RUN_SWITCHES, add_refused_flags
from controller.cli.run_image import add_image_flags, set_pull_policy, spell_image, with_image
from controller.cli.run_isolation import add_isolation_flags, set_isolation
from controller.cli.run_logs import add_log_flags, set_logging
from controller.cli.run_mounts import add_mount_flags, set_mounts
from controller.cli.run_names import add_name_flags, set_names
from controller.cli.run_networks import set_networks
from controller.cli.run_streams import (
    IdFile,
    add_attach_flag,
    add_id_file_flag,
    choose_streams,
    read_streams,
    reserved_id_file,
)
from controller.cli.terminal import Conversation, add_sig_proxy_flag, report_exit
from controller.cli.waiting import Narrator

_FIRST = "amber brisk calm clear deft eager fair firm fleet grand keen lively merry neat noble proud quick ready solid stout swift tidy true warm wise".split()  # noqa: SIM905
_SECOND = "anchor barge beacon bollard bosun bow brig buoy cabin cargo clipper compass crane cutter deck dinghy dock ferry galley harbor hull jetty keel mast pier quay rudder sail schooner sloop tiller tug wharf".split()  # noqa: SIM905


def add_create(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold create`."""
    _add_flags(parser)


def add_run(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold run`."""
    _add_flags(parser)
    parser.add_argument("-d", "--detach", action="store_true", help="Print the id and leave it running.")
    add_detach_keys_flag(parser)
    add_sig_proxy_flag(parser)


def _add_flags(parser: argparse.ArgumentParser) -> None:
    def many(*flags: str, text: str, metavar: str = "VALUE") -> None:
        parser.add_argument(*flags, action="append", default=[], metavar=metavar, help=text)

    def switch(*flags: str, text: str) -> None:
        parser.add_argument(*flags, action="store_true", help=text)

    parser.add_argument("--name", default="", help="Name; made up by default.")
    switch("-i", "--interactive", text="Keep standard input open.")
    switch("-t", "--tty", text="Give the process a terminal.")
    switch("--rm", text="Remove the container when its process has ended.")
    switch("--read-only", text="Make the root file system read-only.")
    switch("--rootfs", text="IMAGE is a directory of the host.")
    many("-e", "--env", metavar="NAME=VALUE", text="Variable of the process.")
    many("--env-file", metavar="FILE", text="File of variables, one a line.")
    many("-l", "--label", metavar="NAME=VALUE", text="Label.")
    many("--label-file", metavar="FILE", text="File of labels, one a line.")
    many("--annotation", metavar="NAME=VALUE", text="Annotation.")
    add_id_file_flag(parser)
    add_attach_flag(parser)
    many("-p", "--publish", metavar="[IP:][HOST:]PORT[/udp|sctp]", text="Publish a port.")
    add_mount_flags(parser)
    add_isolation_flags(parser)
    add_name_flags(parser)
    many("--network", "--net", metavar="NETWORK", text="Network to join; host, none or container:NAME.")
    many("--network-alias", metavar="NAME", text="Further name on the first network.")
    many("--link-local-ip", metavar="IP", text="Link-local address on the first network besides.")
    for flag, text in (
        ("--ip", "Fixed address on the first network."),
        ("--ip6", "Fixed IPv6 address on the first network."),
        ("--mac-address", "Fixed MAC address on the first network."),
        ("--entrypoint", "Program that replaces the image's entrypoint."),
        ("--restart", "Restart policy."),
        ("--stop-signal", "Signal that asks the process to end."),
        ("--runtime", "OCI runtime."),
    ):
        parser.add_argument(flag, default=None, help=text)
    parser.add_argument("-w", "--workdir", default=None, help="Working directory.")
    parser.add_argument("-u", "--user", default=None, help="User and group.")
    parser.add_argument("-h", "--hostname", default=None, help="Host name.")
    parser.add_argument(
        "--stop-timeout", type=float, default=None, help="Seconds from the stop signal to SIGKILL."
    )
    add_limit_flags(parser)
    add_process_limit_flags(parser)
    add_health_flags(parser)
    add_log_flags(parser)
    add_image_flags(parser)
    add_refused_flags(parser, OF_RUN)
    add_refused_flags(parser, OF_RUN_SWITCHES, switches=True)
    parser.add_argument("image", metavar="IMAGE", help="Image, or with --rootfs a directory.")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help="Program and arguments.")


def run_create(client: Client, options: argparse.Namespace) -> int:
    """Make a container that does not run; print its id."""
    read_streams(options.attach)
    spell_image(client, options)
    resource = build_container(options)
    resource.container.desired = "stopped"
    request = state_pb2.ApplyRequest(resources=[resource], create_volumes=True, create_only=True)

    with reserved_id_file(options.cidfile) as id_file:

        def create() -> int:
            uid = client.apply(request).resources[0].metadata.uid
            id_file.write(uid)
            print(uid)
            return 0

        return with_image(client, options, create, once=True)


def run_run(client: Client, options: argparse.Namespace) -> int:
    """Run a container; the exit code is the process' own, or 125, 126, 127 as with Docker."""
    parse_detach_keys(options.detach_keys, code=EXIT_DAEMON)
    streams = choose_streams(options)
    spell_image(client, options)
    resource = build_container(options)
    start = container_pb2.RunStart(
        resource=resource, detach=options.detach, create_volumes=True, require_image=True
    )
    with reserved_id_file(options.cidfile) as id_file:
        # What is typed can be read once only.
        return with_image(
            client, options, lambda: _go_along(client, options, start, id_file), once="stdin" in streams
        )


def _go_along(
    client: Client, options: argparse.Namespace, start: container_pb2.RunStart, id_file: IdFile
) -> int:
    narrator = Narrator(start.resource.metadata.name)

    def hear(answer: container_pb2.RunResponse) -> None:
        if answer.HasField("created"):
            id_file.write(answer.created.metadata.uid)
        elif answer.HasField("waiting"):
            narrator.tell(answer.waiting.reason, answer.waiting.message)

    call = client.channel.open("ContainerService/Run", container_pb2.RunResponse)
    call.send(container_pb2.RunRequest(start=start))
    if options.detach:
        call.end()
        return _report_detached(call, hear)
    streams = choose_streams(options)
    raw = options.tty and "stdin" in streams and sys.stdin.isatty()
    conversation = Conversation(
        call=call,
        wrap=lambda message: container_pb2.RunRequest(input=message),
        stdin="stdin" in streams,
        raw=raw,
        shown=streams,
        detach_keys=parse_detach_keys(options.detach_keys),
        proxy_signals=options.sig_proxy and not raw,
        hear=hear,
    )
    return conversation.run_to_exit()


def _report_detached(
    call: Iterable[container_pb2.RunResponse], hear: Callable[[container_pb2.RunResponse], None]
) -> int:
    uid, code = "", 0
    for answer in call:
        hear(answer)
        if answer.HasField("created"):
            uid = answer.created.metadata.uid
        if answer.HasField("exit"):
            code = report_exit(answer.exit)
    if code == 0:
        print(uid)
    return code


def build_container(options: argparse.Namespace) -> resource_pb2.Resource:
    """Return the container that the flags ask for; Failure names the flag that is wrong."""
    name = options.name or make_name()
    resource = resource_pb2.Resource(api_version="hold/v1", kind="Container")
    resource.metadata.name = name
    resource.metadata.labels.update(read_pair_files("--label-file", options.label_file))
    resource.metadata.labels.update(read_pairs("--label", options.label))
    resource.metadata.annotations.update(read_pairs("--annotation", options.annotation))
    spec = resource.container
    if options.rootfs:
        spec.rootfs = str(Path(options.image).absolute())
    else:
        spec.image = options.image
    _set_process(spec, options)
    set_mounts(spec, options)
    set_isolation(spec, options)
    set_names(spec, options)
    set_networks(spec, options)
    set_limits(spec, options)
    set_process_limits(spec, options)
    set_health(spec, options)
    set_logging(spec, options)
    if options.restart:
        set_restart(spec, options.restart)
    spec.auto_remove = options.rm
    set_pull_policy(spec, options)
    spec.read_only = options.read_only
    return resource


def make_name() -> str:
    """Return a name out of two words and a few digits."""
    chance = os.urandom(6)
    first, second, number = (int.from_bytes(chance[place : place + 2], "big") for place in (0, 2, 4))
    return f"{_FIRST[first % len(_FIRST)]}-{_SECOND[second % len(_SECOND)]}-{number % 10000:04d}"


def _set_process(spec: resource_pb2.ContainerSpec, options: argparse.Namespace) -> None:
    if options.command:
        spec.command.extend(options.command)
    if options.entrypoint is not None:
        spec.entrypoint.SetInParent()  # none at all is something else than the image's own
        spec.entrypoint.extend([options.entrypoint] if options.entrypoint else [])
        if not options.command:
            spec.command.SetInParent()  # the image's command belongs to the image's entrypoint
    spec.environment.update(read_pair_files("--env-file", options.env_file, inherit=True))
    spec.environment.update(read_pairs("--env", options.env, inherit=True))
    for flag, attribute in (
        ("workdir", "working_dir"),
        ("user", "user"),
        ("hostname", "hostname"),
        ("stop_signal", "stop_signal"),
        ("runtime", "runtime"),
        ("stop_timeout", "stop_grace_period_s"),
    ):
        value = getattr(options, flag)
        if value is not None:
            setattr(spec, attribute, value)
    spec.tty = options.tty
    spec.stdin_open = options.interactive
