"""Flags of `run` and `create` for how a container finds others and is found: hosts, DNS, links, exposed ports."""

import argparse

from controller.api.v1 import resource_pb2
from controller.cli.client import Failure
from controller.cli.parser import EXIT_DAEMON
from controller.model.name_forms import parse_extra_host, parse_link


def add_name_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    for flags, metavar, text in (
        (("--add-host",), "NAME:ADDRESS", "Line of /etc/hosts; host-gateway is an address of the host."),
        (("--dns",), "ADDRESS", "Name server."),
        (("--dns-search",), "DOMAIN", "Domain to look names up in; . for none."),
        (("--dns-option", "--dns-opt"), "OPTION", "Option of resolv.conf, such as ndots:2."),
        (("--link",), "CONTAINER[:ALIAS]", "Other container by a name of one's own (legacy)."),
        (("--expose",), "PORT[/udp]", "Port that the process listens on."),
    ):
        parser.add_argument(*flags, action="append", default=[], metavar=metavar, help=text)
    parser.add_argument("--domainname", default="", metavar="NAME", help="NIS domain name.")
    parser.add_argument("-P", "--publish-all", action="store_true", help="Publish every exposed port.")


def set_names(spec: resource_pb2.ContainerSpec, options: argparse.Namespace) -> None:
    """Put the flags into a spec; Failure names the flag that is wrong."""
    try:
        for text in options.add_host:
            fields = parse_extra_host(text)
            if isinstance(fields, dict):
                spec.extra_hosts.add(**fields)
    except ValueError as error:
        raise Failure(f"--add-host: {error}", code=EXIT_DAEMON) from error
    try:
        for text in options.link:
            fields = parse_link(text)
            if isinstance(fields, dict):
                spec.links.add(**fields)
    except ValueError as error:
        raise Failure(f"--link: {error}", code=EXIT_DAEMON) from error
    spec.dns.extend(options.dns)
    spec.dns_search.extend(options.dns_search)
    spec.dns_opt.extend(options.dns_option)
    spec.expose.extend(options.expose)
    spec.publish_all = options.publish_all
    if options.domainname:
        spec.domainname = options.domainname
