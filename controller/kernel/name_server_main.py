"""The name server's process: `python -m controller.kernel.name_server_main DIRECTORY`.

It returns once the server, a process of its own that outlives the daemon, serves the zones in DIRECTORY/zones.json;
exits with 1 and a reason when they can't be served. SIGHUP makes the server read the file again; DIRECTORY/serving then
has the file's digest, or a reason. Nothing beyond the standard library is imported, and no asyncio: it stays small.
"""

import contextlib
import json
import os
import selectors
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from controller.kernel import dns
from controller.kernel.dns_upstream import ask, read_resolvers, receive_framed, send_framed

_IP_FREEBIND = 15
_WORKERS = 64
"""Threads for questions to resolvers, and as many for conversations by TCP, which clients can draw out."""
_QUEUED_LIMIT = 1024
_CLIENT_TIMEOUT_S = 5.0
_DATAGRAM_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedZone:
    """A zone as the file has it: names and the names of addresses, by network; `neighbours` maps a container's
    address to the gateways of its other networks, `upstreams` to the resolvers that it wants asked instead of the host's.
    """

    gateway: str
    internal: bool
    names: Mapping[str, list[str]]
    reverse: Mapping[str, str]
    neighbours: Mapping[str, list[str]]
    upstreams: Mapping[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """The sockets of one gateway."""

    datagram: socket.socket
    stream: socket.socket


class Inquiry(NamedTuple):
    """A question that others have to be asked."""

    message: bytes
    question: dns.Question
    resolvers: tuple[str, ...]


class Server:
    """Serves zones until SIGTERM; local answers come from the main thread, forwarded ones from others."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._zones: dict[str, ServedZone] = {}
        self._endpoints: dict[str, Endpoints] = {}
        self._resolv_conf_path = ""
        self._selector = selectors.DefaultSelector()
        self._forwarders = ThreadPoolExecutor(max_workers=_WORKERS)
        self._talkers = ThreadPoolExecutor(max_workers=_WORKERS)
        self._room = threading.Semaphore(_QUEUED_LIMIT)

    def hear_signals(self) -> None:
        """Keep a SIGHUP from now on until `serve` looks at it."""
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGHUP, lambda *_: None)
        signal.set_wakeup_fd(writer)
        self._selector.register(reader, selectors.EVENT_READ, None)

    def load(self) -> None:
        """Read the zones and listen on their gateways, and no others; OSError when an address can't be had."""
        text = json.loads((self._directory / "zones.json").read_text())
        zones = {zone["gateway"]: ServedZone(**zone) for zone in text["zones"]}
        for gateway in zones.keys() - self._endpoints.keys():
            self._open(gateway, text["port"])
        for gateway in self._endpoints.keys() - zones.keys():
            self._close(gateway)
        self._zones = zones
        self._resolv_conf_path = text["resolv_conf_path"]
        self._report(text["digest"])

    def serve(self) -> None:
        """Answer for ever."""
        while True:
            ready = [key for key, _ in self._selector.select()]
            for key in ready:
                if key.data is None:
                    os.read(key.fd, 4096)
                    self._reload()
                    break  # what was ready may have been closed; what was not is ready the next time
                if key.fileobj is self._endpoints[key.data].datagram:
                    self._receive(key.data)
                else:
                    self._accept(key.data)

    def _reload(self) -> None:
        try:
            self.load()
        except (OSError, ValueError, KeyError, TypeError) as exc:
            self._report(f"error: {exc}")

    def _report(self, text: str) -> None:
        draft = self._directory / "serving.new"
        draft.write_text(text)
        draft.replace(self._directory / "serving")

    def _open(self, gateway: str, port: int) -> None:
        datagram = _bind(socket.SOCK_DGRAM, gateway, port)
        try:
            stream = _bind(socket.SOCK_STREAM, gateway, port)
        except OSError:
            datagram.close()
            raise
        self._endpoints[gateway] = Endpoints(datagram=datagram, stream=stream)
        self._selector.register(datagram, selectors.EVENT_READ, gateway)
        self._selector.register(stream, selectors.EVENT_READ, gateway)

    def _close(self, gateway: str) -> None:
        endpoints = self._endpoints.pop(gateway)
        for endpoint in (endpoints.datagram, endpoints.stream):
            self._selector.unregister(endpoint)
            endpoint.close()

    def _receive(self, gateway: str) -> None:
        endpoint = self._endpoints[gateway].datagram
        with contextlib.suppress(OSError):
            message, sender = endpoint.recvfrom(_DATAGRAM_BYTES)
            question = dns.parse_question(message)
            if question is None:
                return
            answer = self._answer(gateway, sender[0], question)
            if answer is not None:
                endpoint.sendto(dns.truncate(answer, question), sender)
            elif self._room.acquire(blocking=False):
                resolvers = self._choose_resolvers(gateway, sender[0])
                self._forwarders.submit(
                    self._forward, endpoint, sender, Inquiry(message, question, resolvers)
                )

    def _forward(self, endpoint: socket.socket, sender: tuple[str, int], inquiry: Inquiry) -> None:
        answer = ask(inquiry.resolvers, inquiry.message, stream=False)
        self._room.release()
        with contextlib.suppress(OSError):
            endpoint.sendto(answer or dns.render_failure(inquiry.question, dns.SERVER_FAILURE), sender)

    def _accept(self, gateway: str) -> None:
        with contextlib.suppress(OSError):
            connection, sender = self._endpoints[gateway].stream.accept()
            self._talkers.submit(self._converse, connection, gateway, sender[0])

    def _converse(self, connection: socket.socket, gateway: str, sender: str) -> None:
        connection.settimeout(_CLIENT_TIMEOUT_S)
        with connection, contextlib.suppress(OSError):
            for message in receive_framed(connection):
                question = dns.parse_question(message)
                if question is None:
                    return
                answer = self._answer(gateway, sender, question)
                if answer is None:
                    answer = ask(self._choose_resolvers(gateway, sender), message, stream=True)
                send_framed(connection, answer or dns.render_failure(question, dns.SERVER_FAILURE))

    def _choose_resolvers(self, gateway: str, sender: str) -> tuple[str, ...]:
        """Return whom to ask on a container's behalf: its own name servers, or the host's."""
        own = self._zones
        zone = own.get(gateway)
        chosen = zone.upstreams.get(sender) if zone is not None else None
        if chosen:
            return tuple(each for each in chosen if each not in own)
        return tuple(each for each in read_resolvers(self._resolv_conf_path) if each not in own)

    def _answer(self, gateway: str, sender: str, question: dns.Question) -> bytes | None:
        """Return the answer, None when the host's resolvers have to be asked."""
        zone = self._zones.get(gateway)
        if not question.is_query or zone is None:
            return dns.render_failure(question, dns.NOT_IMPLEMENTED)
        others = (self._zones.get(each) for each in zone.neighbours.get(sender, []))
        for visible in (zone, *(each for each in others if each is not None)):
            if question.name in visible.names:
                return dns.render_addresses(question, visible.names[question.name])
            if question.reverse_address in visible.reverse:
                return dns.render_name(question, visible.reverse[question.reverse_address])
        if question.name and "." not in question.name and question.type != dns.TYPE_NS:
            return dns.render_failure(question, dns.NAME_ERROR)
        return dns.render_failure(question, dns.REFUSED) if zone.internal else None


def _bind(kind: socket.SocketKind, gateway: str, port: int) -> socket.socket:
    """Listen on an address that may not be there yet: the bridge that has it may come later, or come again."""
    endpoint = socket.socket(socket.AF_INET, kind | socket.SOCK_NONBLOCK)
    try:
        endpoint.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
        if kind is socket.SOCK_STREAM:
            endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        endpoint.bind((gateway, port))
        if kind is socket.SOCK_STREAM:
            endpoint.listen()
    except OSError as exc:
        endpoint.close()
        raise OSError(exc.errno, f"{gateway} port {port}: {exc.strerror}") from exc
    return endpoint


def _leave_parent(directory: Path, ready_fd: int) -> None:
    """Belong to nobody: a session, directory and descriptors of its own."""
    os.setsid()
    os.chdir("/")
    (directory / "server.pid").write_text(str(os.getpid()))
    null_fd = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null_fd, fd)
    os.write(ready_fd, b"1")
    os.close(ready_fd)


def main(directory_path: str) -> int:
    """Start the server; the exit code."""
    directory = Path(directory_path)
    reader, writer = os.pipe2(os.O_CLOEXEC)
    if os.fork():
        os.close(writer)
        return 0 if os.read(reader, 1) else 1
    server = Server(directory)
    server.hear_signals()
    try:
        server.load()
    except OSError as exc:
        sys.stderr.write(f"{exc.strerror}\n")
        return 1
    _leave_parent(directory, writer)
    server.serve()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
