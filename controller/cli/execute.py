"""exec, attach: into a running container."""

import argparse
import os
import sys

from controller.api.v1 import container_pb2, resource_pb2
from controller.cli.client import Client, Failure
from controller.cli.detach_keys import add_detach_keys_flag, parse_detach_keys
from controller.cli.pairs import read_pair_files, read_pairs
from controller.cli.parser import EXIT_DAEMON
from controller.cli.terminal import Conversation, add_sig_proxy_flag, report_exit
from controller.cli.waiting import Narrator

EXIT_NOT_STARTED = 1


def add_exec(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold exec`."""
    parser.add_argument("-i", "--interactive", action="store_true", help="Send standard input.")
    parser.add_argument("-t", "--tty", action="store_true", help="Give the program a terminal.")
    parser.add_argument("-d", "--detach", action="store_true", help="Let it run and return at once.")
    parser.add_argument("-u", "--user", default="", help="User and group.")
    parser.add_argument("-w", "--workdir", default="", help="Working directory.")
    parser.add_argument("-e", "--env", action="append", default=[], metavar="NAME=VALUE", help="Variable.")
    parser.add_argument(
        "--env-file", action="append", default=[], metavar="FILE", help="File of variables, one a line."
    )
    add_detach_keys_flag(parser)
    parser.add_argument("--privileged", action="store_true", help="Give the program every capability.")
    parser.add_argument("container", metavar="CONTAINER", help="Name, or the beginning of an id.")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help="Program and arguments.")


def run_exec(client: Client, options: argparse.Namespace) -> int:
    """Run a program in a container; the exit code is the program's."""
    if not options.command:
        raise Failure(f"name the program to run: hold exec {options.container} PROGRAM", code=EXIT_DAEMON)
    environment = read_pair_files("--env-file", options.env_file, inherit=True)
    environment |= read_pairs("--env", options.env, inherit=True)
    detach_keys = parse_detach_keys(options.detach_keys, code=EXIT_DAEMON)
    start = container_pb2.ExecStart(
        container=options.container,
        arguments=options.command,
        environment=environment,
        working_dir=options.workdir,
        user=options.user,
        tty=options.tty,
        stdin=options.interactive,
        privileged=options.privileged,
        detach=options.detach,
    )
    raw = options.tty and sys.stdin.isatty()
    if raw:
        size = os.get_terminal_size(sys.stdin.fileno())
        start.size.rows, start.size.columns = size.lines, size.columns
    call = client.channel.open("ContainerService/Exec", container_pb2.ExecResponse)
    call.send(container_pb2.ExecRequest(start=start))
    if options.detach:
        call.end()
        return max((report_exit(each.exit) for each in call if each.HasField("exit")), default=0)
    conversation = Conversation(
        call=call,
        wrap=lambda message: container_pb2.ExecRequest(input=message),
        stdin=options.interactive,
        raw=raw,
        detach_keys=detach_keys,
        proxy_signals=False,
    )
    return conversation.run_to_exit()


def add_attach(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold attach`."""
    parser.add_argument("--no-stdin", action="store_true", help="Do not send standard input.")
    add_detach_keys_flag(parser)
    add_sig_proxy_flag(parser)
    parser.add_argument("container", metavar="CONTAINER", help="Name, or the beginning of an id.")


def run_attach(client: Client, options: argparse.Namespace) -> int:
    """Connect to the container's process; the detach keys leave it."""
    container = client.find_container(options.container)
    stdin = container.container.stdin_open and not options.no_stdin
    return converse_attached(client, container, options, stdin=stdin)


def converse_attached(
    client: Client,
    container: resource_pb2.Resource,
    options: argparse.Namespace,
    *,
    stdin: bool,
    start: bool = False,
) -> int:
    """Be the terminal of a container until it ends or the user leaves; `start` starts it first if it does not run.

    `options` are those of `attach` or `start`.
    """
    narrator = Narrator(container.metadata.name)

    def hear(answer: container_pb2.AttachResponse) -> None:
        if answer.HasField("waiting"):
            narrator.tell(answer.waiting.reason, answer.waiting.message)

    raw = container.container.tty and stdin and sys.stdin.isatty()
    detach_keys = parse_detach_keys(options.detach_keys)
    call = client.channel.open("ContainerService/Attach", container_pb2.AttachResponse)
    wanted = container_pb2.AttachStart(container=container.metadata.name, stdin=stdin, start=start)
    call.send(container_pb2.AttachRequest(start=wanted))
    conversation = Conversation(
        call=call,
        wrap=lambda message: container_pb2.AttachRequest(input=message),
        stdin=stdin,
        raw=raw,
        detach_keys=detach_keys,
        proxy_signals=options.sig_proxy and not raw,
        hear=hear,
    )
    return conversation.run_to_exit(refused_code=EXIT_NOT_STARTED if start else None)
