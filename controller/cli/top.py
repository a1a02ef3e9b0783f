"""top, port: a container's processes, and where its ports are."""

import argparse
from collections.abc import Sequence
from typing import Any

from controller.api.v1 import container_pb2
from controller.cli.addresses import list_port_hosts, render_place
from controller.cli.client import Client, Failure
from controller.cli.fields import to_document
from controller.cli.tables import render_table


def add_top(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold top`."""
    parser.add_argument("container", metavar="CONTAINER", help="Name, or the beginning of an id.")
    parser.add_argument("ps", nargs=argparse.REMAINDER, metavar="PS OPTION", help="Options for ps; -ef.")


def run_top(client: Client, options: argparse.Namespace) -> int:
    """Show the processes in a container as ps does."""
    request = container_pb2.TopRequest(container=options.container, ps_arguments=options.ps)
    table = client.channel.unary("ContainerService/Top", request, container_pb2.TopResponse)
    print(render_table(table.titles, [list(each.values) for each in table.processes]))
    return 0


def add_port(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold port`."""
    parser.add_argument("container", metavar="CONTAINER", help="Name, or the beginning of an id.")
    parser.add_argument("port", nargs="?", default="", metavar="PORT[/PROTOCOL]", help="Only this port.")


def run_port(client: Client, options: argparse.Namespace) -> int:
    """Show where the ports of a container are published."""
    document = to_document(client.find_container(options.container))
    status = document.get("status", {})
    ports = status.get("ports", [])
    if not options.port:
        lines = [f"{_name(port)} -> {place}" for port in ports for place in _list_places(port, status)]
        print("\n".join(lines), end="\n" if lines else "")
        return 0
    wanted = options.port if "/" in options.port else f"{options.port}/tcp"
    found = choose_ports(ports, wanted)
    if not found:
        raise Failure(f"port {wanted} of container {document['metadata']['name']} is not published")
    print("\n".join(place for port in found for place in _list_places(port, status)))
    return 0


def choose_ports(ports: Sequence[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """Return the ports of that name, such as `80/tcp`."""
    return [port for port in ports if _name(port) == name.lower()]


def _name(port: dict[str, Any]) -> str:
    return f"{port['containerPort']}/{port.get('protocol', 'tcp')}"


def _list_places(port: dict[str, Any], status: dict[str, Any]) -> list[str]:
    return [render_place(host, port["hostPort"]) for host in list_port_hosts(port, status)]
