"""How the name server is told what to serve: requests at DIRECTORY/control, one answer each; small, for its process.

A request has the digest of what will be served (`digest`), the digest of what it builds on (`base`, None for an empty
catalogue), the port, and a change (see `dns_catalogue`); one without a digest asks what is served. The answer has the
digest of what is served from now on, and an `error` when that is not what was asked for.

With `join` a container is served in its own network namespace too, at the path `netns`, until `leave`, or until it is on
no network any more.
"""

import json
import os
import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from controller.kernel.names.dns_catalogue import Catalogue
from controller.kernel.names.dns_loop import Loop
from controller.kernel.names.dns_streams import Framed
from controller.kernel.names.name_server_answers import Answers
from controller.kernel.names.name_server_endpoints import Endpoints

CONTROL_HEAD = struct.Struct("!I")
CONTROL_NAME = "control"


class Control:
    """Takes requests."""

    def __init__(self, loop: Loop, listener: socket.socket, answers: Answers, endpoints: Endpoints) -> None:
        self._loop = loop
        self._answers = answers
        self._endpoints = endpoints
        self._digest = ""
        self._open: set[Framed] = set()
        loop.watch(listener, lambda _: self._accept(listener))

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        self._open.add(
            Framed(self._loop, connection, head=CONTROL_HEAD, receive=self._receive, ended=self._open.discard)
        )

    def _receive(self, framed: Framed, message: bytes) -> None:
        try:
            request = json.loads(message)
            error = self._carry_out(request)
        except (OSError, ValueError, KeyError, TypeError) as exc:
            error = exc.strerror or str(exc) if isinstance(exc, OSError) else repr(exc)
        framed.send(json.dumps({"digest": self._digest, "error": error}).encode())

    def _carry_out(self, request: Mapping[str, Any]) -> str:
        """Do what is asked for, and return why not."""
        if "join" in request:
            self._endpoints.join(request["join"], request["netns"], (request["address"], request["port"]))
        if "leave" in request:
            self._endpoints.leave({request["leave"]})
        return self._apply(request) if "digest" in request else ""

    def _apply(self, request: Mapping[str, Any]) -> str:
        """Serve what is asked for, and return why not; OSError when an address can't be had, all as before then."""
        if request["base"] not in (None, self._digest):
            return f"{request['base']} is not what is served"
        added = [text["gateways"] for text in request["networks"].values() if text is not None]
        self._endpoints.open({each for gateways in added for each in gateways}, request["port"])
        self._digest = ""
        before = self._answers.catalogue.list_containers()
        if request["base"] is None:
            catalogue = Catalogue()
            catalogue.apply(request)
            self._answers.catalogue = catalogue
        else:
            self._answers.catalogue.apply(request)
        self._endpoints.keep(self._answers.catalogue.list_gateways())
        self._endpoints.leave(before - self._answers.catalogue.list_containers())
        self._digest = request["digest"]
        return ""


def listen(directory: Path) -> socket.socket:
    """Return the socket that requests come to, whatever the length of its path; there must be no other server."""
    (directory / CONTROL_NAME).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    directory_fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        listener.bind(f"/proc/self/fd/{directory_fd}/{CONTROL_NAME}")
        listener.listen()
    finally:
        os.close(directory_fd)
    return listener
