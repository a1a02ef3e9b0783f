"""exec, attach: into a running container."""

import argparse
import os
import sys

from controller.api.v1 import container_pb2
from controller.cli.client import Client
from controller.cli.run import read_pairs, report_exit
from controller.cli.terminal import Conversation, Detached


def add_exec(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold exec`."""
    parser.add_argument("-i", "--interactive", action="store_true", help="Send standard input.")
    parser.add_argument("-t", "--tty", action="store_true", help="Give the program a terminal.")
    parser.add_argument("-d", "--detach", action="store_true", help="Let it run and return at once.")
    parser.add_argument("-u", "--user", default="", help="User and group.")
    parser.add_argument("-w", "--workdir", default="", help="Working directory.")
    parser.add_argument("-e", "--env", action="append", default=[], metavar="NAME=VALUE", help="Variable.")
    parser.add_argument("--privileged", action="store_true", help="Give the program every capability.")
    parser.add_argument("container", metavar="CONTAINER", help="Name, or the beginning of an id.")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help="Program and arguments.")


def run_exec(client: Client, options: argparse.Namespace) -> int:
    """Run a program in a container; the exit code is the program's."""
    start = container_pb2.ExecStart(
        container=options.container,
        arguments=options.command,
        environment=read_pairs("--env", options.env, inherit=True),
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
        proxy_signals=False,
    )
    try:
        return report_exit(conversation.run())
    except Detached:
        return 0


def add_attach(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold attach`."""
    parser.add_argument("--no-stdin", action="store_true", help="Do not send standard input.")
    parser.add_argument("container", metavar="CONTAINER", help="Name, or the beginning of an id.")


def run_attach(client: Client, options: argparse.Namespace) -> int:
    """Connect to the container's process; Ctrl-P Ctrl-Q leaves it."""
    container = client.find_container(options.container)
    stdin = container.container.stdin_open and not options.no_stdin
    raw = container.container.tty and stdin and sys.stdin.isatty()
    call = client.channel.open("ContainerService/Attach", container_pb2.AttachResponse)
    start = container_pb2.AttachStart(container=container.metadata.name, stdin=stdin)
    call.send(container_pb2.AttachRequest(start=start))
    conversation = Conversation(
        call=call,
        wrap=lambda message: container_pb2.AttachRequest(input=message),
        stdin=stdin,
        raw=raw,
        proxy_signals=not raw,
    )
    try:
        return report_exit(conversation.run())
    except Detached:
        return 0
