"""Health checks by request: HTTP, TCP and gRPC over a socket that was opened in the container's network."""

import asyncio
import contextlib
import os
import socket
import ssl
import struct
from collections.abc import AsyncIterator

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from controller.blocking import opened
from controller.kernel.threads import run_in_netns
from controller.model.health import GrpcProbe, HttpProbe, ProbeOutcome, TcpProbe

_HERE = "127.0.0.1"
_MOST_BODY_BYTES = 4096
_SERVING_STATUSES = range(200, 400)
_GRPC_PATH = "/grpc.health.v1.Health/Check"
_GRPC_OK = "0"
_SERVING = "SERVING"
_STATUSES = ("UNKNOWN", _SERVING, "NOT_SERVING", "SERVICE_UNKNOWN")
"""By number, as grpc.health.v1 has them."""


class Failed(Exception):
    """The other side answered, but not as it should; the text says how."""


async def request(netns_path: str, probe: HttpProbe | TcpProbe | GrpcProbe) -> ProbeOutcome:
    """Ask once, in the network namespace at a path; whoever calls sees to the time. FileNotFoundError without it."""
    async with opened(lambda: run_in_netns(netns_path, _make_socket), socket.socket.close) as made:
        try:
            async with _connected(made, probe) as (reader, writer):
                words = await _ask(reader, writer, probe)
        except (Failed, ssl.SSLError) as error:
            return ProbeOutcome(exit_code=1, output=f"{_describe(probe)}: {error}")
        except (OSError, EOFError) as error:
            # asyncio puts words of its own in the place of the kernel's.
            number = error.errno if isinstance(error, OSError) else None
            reason = os.strerror(number).lower() if number else "the connection was closed"
            return ProbeOutcome(exit_code=1, output=f"{_describe(probe)}: {reason}")
        return ProbeOutcome(exit_code=0, output=words)


async def _ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, probe: HttpProbe | TcpProbe | GrpcProbe
) -> str:
    match probe:
        case TcpProbe():
            return f"port {probe.port} accepts connections"
        case HttpProbe():
            return await _ask_http(reader, writer, probe)
        case GrpcProbe():
            return await _ask_grpc(reader, writer, probe)


def _make_socket() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.settimeout(0)
    return made


def _describe(probe: HttpProbe | TcpProbe | GrpcProbe) -> str:
    match probe:
        case HttpProbe():
            return f"GET {probe.scheme}://{_HERE}:{probe.port}{probe.path}"
        case TcpProbe():
            return f"port {probe.port}"
        case GrpcProbe():
            return f"gRPC health of {probe.service or 'the server'} at port {probe.port}"


@contextlib.asynccontextmanager
async def _connected(
    made: socket.socket, probe: HttpProbe | TcpProbe | GrpcProbe
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    await asyncio.get_running_loop().sock_connect(made, (_HERE, probe.port))
    context = None
    if isinstance(probe, HttpProbe) and probe.scheme == "https":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    hostname = "localhost" if context is not None else None
    reader, writer = await asyncio.open_connection(sock=made, ssl=context, server_hostname=hostname)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def _ask_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, probe: HttpProbe) -> str:
    """Return the status line and the beginning of the body; Failed when the status is not that of a healthy one."""
    headers = {"Host": "localhost", "User-Agent": "hold-health", "Accept": "*/*"}
    given = {name.lower() for name in probe.headers}
    headers = {name: value for name, value in headers.items() if name.lower() not in given}
    lines = [f"GET {probe.path} HTTP/1.1"]
    lines += [
        f"{name}: {value}" for name, value in (headers | probe.headers | {"Connection": "close"}).items()
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as exc:
        head = exc.partial
    except asyncio.LimitOverrunError as exc:
        raise Failed("the headers do not end") from exc
    status_line = head.partition(b"\r\n")[0].decode("latin-1")
    version, _, rest = status_line.partition(" ")
    code = rest[:3]
    if not version.startswith("HTTP/") or not code.isdigit():
        raise Failed("the answer is not HTTP" if head else "no answer")
    body = (await reader.read(_MOST_BODY_BYTES)).decode(errors="replace")
    if int(code) not in _SERVING_STATUSES:
        raise Failed(f"{rest.strip()}\n{body}".rstrip())
    return f"{rest.strip()}\n{body}".rstrip()


async def _ask_grpc(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, probe: GrpcProbe) -> str:
    """Return the status that the service tells of itself; Failed when it is another than SERVING."""
    connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    connection.initiate_connection()
    stream = connection.get_next_available_stream_id()
    message = encode_service(probe.service)
    headers = [
        (":method", "POST"), (":scheme", "http"), (":path", _GRPC_PATH), (":authority", f"localhost:{probe.port}"),
        ("content-type", "application/grpc"), ("te", "trailers"), ("user-agent", "hold-health"),
    ]  # fmt: skip
    connection.send_headers(stream, headers)
    connection.send_data(stream, struct.pack(">BI", 0, len(message)) + message, end_stream=True)
    writer.write(connection.data_to_send())
    body, answered = await _read_answer(reader, writer, connection)
    status = answered.get("grpc-status", "")
    if status != _GRPC_OK:
        raise Failed(f"status {status or 'missing'} {answered.get('grpc-message', '')}".rstrip())
    name = decode_status(body[5:])
    if name != _SERVING:
        raise Failed(name)
    return name


def encode_service(service: str) -> bytes:
    """Return a grpc.health.v1.HealthCheckRequest: field 1 is the name, left out when empty."""
    name = service.encode()
    length, prefix = len(name), bytearray(b"\x0a")
    while length > 0x7F:
        prefix.append(length & 0x7F | 0x80)
        length >>= 7
    prefix.append(length)
    return bytes(prefix) + name if name else b""


def decode_status(message: bytes) -> str:
    """Return the name of the status in a grpc.health.v1.HealthCheckResponse; UNKNOWN is what it is without one."""
    number = message[1] if len(message) >= 2 and message[0] == 0x08 else 0
    return _STATUSES[number] if number < len(_STATUSES) else f"status {number}"


async def _read_answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: h2.connection.H2Connection
) -> tuple[bytes, dict[str, str]]:
    """Return body and headers, trailers included, of the one answer."""
    body, headers = bytearray(), dict[str, str]()
    while True:
        data = await reader.read(65536)
        if not data:
            raise EOFError
        try:
            events = connection.receive_data(data)
        except h2.exceptions.ProtocolError as exc:
            raise Failed("the answer is not HTTP/2") from exc
        for event in events:
            match event:
                case h2.events.ResponseReceived() | h2.events.TrailersReceived():
                    headers |= {str(name): str(value) for name, value in event.headers}
                case h2.events.DataReceived():
                    body += event.data[: _MOST_BODY_BYTES - len(body)]
                case h2.events.StreamEnded():
                    return bytes(body), headers
                case h2.events.StreamReset() | h2.events.ConnectionTerminated():
                    raise Failed("the call was broken off")
                case _:
                    pass
        writer.write(connection.data_to_send())
