"""A resolver for outside names, to stand in for the one of the host."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socket import AF_INET, SOCK_DGRAM, socket

ADDRESS = "203.0.113.7"


@contextmanager
def resolver(host: str) -> Iterator[None]:
    """Answer every question for an address with ADDRESS and every other with nothing, on UDP port 53 of `host`."""
    ended = threading.Event()
    with socket(AF_INET, SOCK_DGRAM) as endpoint:
        endpoint.bind((host, 53))
        endpoint.settimeout(0.1)
        thread = threading.Thread(target=_serve, args=(endpoint, ended))
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _serve(endpoint: socket, ended: threading.Event) -> None:
    while not ended.is_set():
        try:
            question, sender = endpoint.recvfrom(512)
        except TimeoutError:
            continue
        endpoint.sendto(_answer(question), sender)


def _answer(question: bytes) -> bytes:
    """Return the answer to a question (RFC 1035, 4.1)."""
    end = question.index(b"\0", 12) + 5
    wants_address = question[end - 4 : end - 2] == b"\0\x01"
    header = question[:2] + b"\x81\x80" + b"\0\x01" + (b"\0\x01" if wants_address else b"\0\0") + bytes(4)
    record = b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04" + bytes(int(part) for part in ADDRESS.split("."))
    return header + question[12:end] + (record if wants_address else b"")
