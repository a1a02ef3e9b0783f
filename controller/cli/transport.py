"""A light gRPC client over a unix socket: HTTP/2 by the h2 library, blocking, quick to import.

A channel carries one call at a time, which is what a command line needs. The wire is that of gRPC over HTTP/2
(https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
"""

import base64
import socket
import struct
import urllib.parse
from collections.abc import Iterator
from typing import Generic, Protocol, Self, TypeVar

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

_READ_BYTES = 1 << 18
_PREFIX_BYTES = 5
_WINDOW_BYTES = 1 << 24
_OK, _UNAVAILABLE = 0, 14


class CallFailed(Exception):
    """A call ended with another status than OK; `details` is a serialised google.rpc.Status, empty if none came."""

    def __init__(self, code: int, message: str, details: bytes = b"") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details


class Unreachable(Exception):
    """No daemon answers at the address."""


class Message(Protocol):
    """A protobuf message."""

    def SerializeToString(self) -> bytes: ...  # noqa: N802


Response = TypeVar("Response")


class Channel:
    """A connection to a daemon, made at the first call."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._connection: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection; calls under way are broken off."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def unary(self, method: str, request: Message, response: type[Response]) -> Response:
        """Make a call with one answer; `method` is `Service/Method`. CallFailed, Unreachable."""
        call = self.open(method, response)
        call.send(request)
        call.end()
        answers = list(call)
        if not answers:
            raise CallFailed(_UNAVAILABLE, "the daemon ended the call without an answer")
        return answers[0]

    def stream(self, method: str, request: Message, response: type[Response]) -> "Call[Response]":
        """Make a call with many answers, which the result yields as they come."""
        call = self.open(method, response)
        call.send(request)
        call.end()
        return call

    def open(self, method: str, response: type[Response]) -> "Call[Response]":
        """Begin a call whose messages are sent one by one."""
        return Call(self.connect(), method, response)

    def connect(self) -> "Connection":
        """Return the connection, made now if there is none; Unreachable."""
        if self._connection is None:
            self._connection = Connection(self.address)
        return self._connection


class Connection:
    """One HTTP/2 connection."""

    def __init__(self, address: str) -> None:
        scheme, _, path = address.partition("://")
        if scheme != "unix" or not path.startswith("/"):
            raise Unreachable(f"{address!r} is not an address of a daemon: write unix:///PATH")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            reason = (error.strerror or str(error)).lower()
            if isinstance(error, PermissionError):
                raise Unreachable(
                    f"{path} may not be used ({reason}): run hold as root (sudo hold ...), or as who may write that file"
                ) from error
            raise Unreachable(
                f"no daemon answers at {address} ({reason}): start one by `hold daemon`, "
                "or name another address by --host or HOLD_HOST"
            ) from error
        configuration = h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        self.state = h2.connection.H2Connection(config=configuration)
        self.state.initiate_connection()
        self.state.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: _WINDOW_BYTES})
        self.state.increment_flow_control_window(_WINDOW_BYTES)
        self.flush()

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def flush(self) -> None:
        """Send what is due; a peer that has gone shows when it is read from."""
        data = self.state.data_to_send()
        if data:
            try:
                self._socket.sendall(data)
            except (BrokenPipeError, ConnectionResetError):
                return

    def receive(self) -> list[h2.events.Event]:
        """Wait for bytes and return what they mean; Unreachable when the daemon has gone."""
        try:
            data = self._socket.recv(_READ_BYTES)
        except ConnectionResetError:
            data = b""
        if not data:
            raise Unreachable("the daemon went away in the middle of the call: what runs goes on, ask again")
        try:
            events = list(self.state.receive_data(data))
        except h2.exceptions.ProtocolError as error:
            raise Unreachable(f"what answers does not speak gRPC: {error}") from error
        self.flush()
        return events


class Call(Generic[Response]):
    """A call under way. Iterate over it for the answers; CallFailed after the last tells that it failed."""

    def __init__(self, connection: Connection, method: str, response: type[Response]) -> None:
        self._connection = connection
        self._response = response
        self._buffer = bytearray()
        self._answers: list[Response] = []
        self._trailers: dict[str, str] = {}
        self.ended = False
        self._stream_id = connection.state.get_next_available_stream_id()
        headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", f"/hold.v1.{method}"),
            (":authority", "localhost"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("user-agent", "hold"),
        ]
        connection.state.send_headers(self._stream_id, headers)

    def fileno(self) -> int:
        """Return the descriptor to wait on before `poll`."""
        return self._connection.fileno()

    def send(self, message: Message) -> None:
        """Send a message; waits for room. Nothing once the daemon has ended the call."""
        body = message.SerializeToString()
        data = memoryview(struct.pack(">BI", 0, len(body)) + body)
        state = self._connection.state
        while data and not self.ended:
            room = min(state.local_flow_control_window(self._stream_id), state.max_outbound_frame_size)
            if room > 0:
                state.send_data(self._stream_id, bytes(data[:room]))
                data = data[room:]
                self._connection.flush()
            else:
                self._receive()

    def end(self) -> None:
        """Tell that no more messages come."""
        if not self.ended:
            self._connection.state.end_stream(self._stream_id)
            self._connection.flush()

    def cancel(self) -> None:
        """Give the call up."""
        if not self.ended:
            self._connection.state.reset_stream(self._stream_id, h2.errors.ErrorCodes.CANCEL)
            self._connection.flush()
            self.ended = True

    @property
    def has_news(self) -> bool:
        """Whether `poll` has something to tell without reading: it came while a message waited for room."""
        return self.ended or bool(self._answers)

    def poll(self) -> list[Response]:
        """Return the answers that came; without any, read once (which blocks unless the descriptor is readable)."""
        if not self.has_news:
            self._receive()
        answers, self._answers = self._answers, []
        return answers

    def __iter__(self) -> Iterator[Response]:
        while True:
            while self._answers:
                yield self._answers.pop(0)
            if self.ended:
                break
            self._receive()
        self.check()

    def check(self) -> None:
        """Raise CallFailed unless the ended call's status is OK."""
        code = int(self._trailers.get("grpc-status", _UNAVAILABLE))
        if code != _OK:
            message = urllib.parse.unquote(self._trailers.get("grpc-message", "the call was broken off"))
            raise CallFailed(code, message, _decode(self._trailers.get("grpc-status-details-bin", "")))

    def _receive(self) -> None:
        for event in self._connection.receive():
            if getattr(event, "stream_id", self._stream_id) not in (self._stream_id, 0):
                continue
            if isinstance(event, h2.events.DataReceived):
                self._connection.state.acknowledge_received_data(
                    event.flow_controlled_length, self._stream_id
                )
                self._take(event.data)
            elif isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
                self._trailers.update((str(name), str(value)) for name, value in event.headers)
            elif isinstance(event, h2.events.StreamEnded | h2.events.StreamReset):
                self.ended = True
            elif isinstance(event, h2.events.ConnectionTerminated):
                raise Unreachable("the daemon ends: what runs goes on, ask again")
        self._connection.flush()

    def _take(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= _PREFIX_BYTES:
            (length,) = struct.unpack(">I", self._buffer[1:_PREFIX_BYTES])
            end = _PREFIX_BYTES + length
            if len(self._buffer) < end:
                return
            parse = self._response.FromString  # type: ignore[attr-defined]  # every message class has it
            self._answers.append(parse(bytes(self._buffer[_PREFIX_BYTES:end])))
            del self._buffer[:end]


def _decode(text: str) -> bytes:
    """Return the bytes of a binary header, whose padding may be missing."""
    return base64.b64decode(text + "=" * (-len(text) % 4)) if text else b""
