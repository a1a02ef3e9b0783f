"""Asking the host's resolvers on behalf of a container; small, for the name server's process."""

import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

_PORT = 53
_TIMEOUT_S = 2.5
_LIMIT_BYTES = 65535


def read_resolvers(path: str) -> tuple[str, ...]:
    """Return the IPv4 resolvers of a resolv.conf in order, none when it is missing."""
    try:
        lines = Path(path).read_text(errors="replace").splitlines()
    except OSError:
        return ()
    fields = (line.split() for line in lines)
    return tuple(
        each[1] for each in fields if len(each) > 1 and each[0] == "nameserver" and ":" not in each[1]
    )


def ask(resolvers: tuple[str, ...], question: bytes, *, stream: bool) -> bytes | None:
    """Return the first resolver's answer, None when none gives one; the next is asked when one fails."""
    own_id = os.urandom(2)
    for address in resolvers:
        try:
            exchange = _exchange_stream if stream else _exchange_datagram
            answer = exchange(address, own_id + question[2:])
        except OSError:
            continue
        return question[:2] + answer[2:]
    return None


def _exchange_datagram(address: str, question: bytes) -> bytes:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as endpoint:
        endpoint.settimeout(_TIMEOUT_S)
        endpoint.connect((address, _PORT))
        endpoint.send(question)
        while True:
            answer = endpoint.recv(_LIMIT_BYTES)
            if len(answer) >= 12 and answer[:2] == question[:2]:
                return answer


def _exchange_stream(address: str, question: bytes) -> bytes:
    with socket.create_connection((address, _PORT), timeout=_TIMEOUT_S) as connection:
        send_framed(connection, question)
        answer = next(receive_framed(connection), b"")
    if len(answer) < 12 or answer[:2] != question[:2]:
        raise ConnectionError("no answer")
    return answer


def send_framed(connection: socket.socket, message: bytes) -> None:
    """Send a message as TCP wants it: its length first."""
    connection.sendall(struct.pack("!H", len(message)) + message)


def receive_framed(connection: socket.socket) -> Iterator[bytes]:
    """Yield messages until the other side ends."""
    with connection.makefile("rb") as stream:
        while len(head := stream.read(2)) == 2:
            size = struct.unpack("!H", head)[0]
            message = stream.read(size)
            if len(message) < size:
                return
            yield message
