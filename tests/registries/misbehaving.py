"""A registry on a socket that misbehaves by script: it breaks off, falls silent, sends junk."""

import asyncio
import contextlib
import json
import queue
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tests.registries.layouts import OCI_MANIFEST, MadeImage

_TLS_HANDSHAKE = b"\x16"
_TRICKLE_S = 0.05


@dataclass(slots=True, kw_only=True)
class Fault:
    """What goes wrong with one answer: `after_bytes` of the body, then the connection breaks, or nothing comes any more.

    One that `trickles` sends byte by byte from then on. `raw` is sent in place of an answer.
    """

    after_bytes: int = 0
    breaks: bool = False
    hangs: bool = False
    trickles: bool = False
    raw: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class MisbehavingRegistry:
    """Serves one image as every tag of every repository; the faults of a path are used up one after another."""

    image: MadeImage
    port: int = 0
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def name(self) -> str:
        """HOST:PORT, as references have it."""
        return f"127.0.0.1:{self.port}"

    def fail(self, digest: str, *faults: Fault) -> None:
        """Let the answers about a blob, or the manifest, go wrong."""
        self.faults[digest] = list(faults)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        task = asyncio.current_task()
        if task is not None:
            self.tasks.add(task)
        try:
            await self._converse(reader, writer)
        finally:
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                first = await reader.readexactly(1)
                if first == _TLS_HANDSHAKE:
                    break
                head = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                if not head.startswith(("GET ", "HEAD ")):
                    break
                path, ranged = head.split(" ")[1], _read_range(head)
                self.asked.append((path, f"{ranged}-" if ranged else ""))
                if not await self._serve(path, ranged, writer):
                    break

    async def _serve(self, path: str, start: int, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; False when the connection is to end."""
        digest = path.rpartition("/")[2] if ":" in path else self.image.manifest_digest
        waiting = self.faults.get(digest, [])
        fault = waiting.pop(0) if waiting else Fault()
        if fault.raw:
            writer.write(fault.raw)
            await writer.drain()
            return False
        body = self.image.blobs.get(digest)
        status = fault.status if body is not None else 404
        content = (body or b"")[start:] if status == 200 else json.dumps({"errors": []}).encode()
        headers = {"Content-Length": str(len(content)), "Content-Type": OCI_MANIFEST, **fault.headers}
        if start and status == 200:
            status = 206
            headers["Content-Range"] = f"bytes {start}-{start + len(content) - 1}/{start + len(content)}"
        lines = [f"HTTP/1.1 {status} x", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        writer.write("\r\n".join(lines).encode())
        faulty = fault.breaks or fault.hangs or fault.trickles
        writer.write(content[: fault.after_bytes] if faulty else content)
        await writer.drain()
        for byte in content[fault.after_bytes :] if fault.trickles else b"":
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(_TRICKLE_S)
        if fault.hangs:
            await asyncio.Event().wait()
        return not faulty


def _read_range(head: str) -> int:
    for line in head.splitlines():
        name, _, value = line.partition(":")
        if name.lower() == "range":
            return int(value.strip().removeprefix("bytes=").rstrip("-"))
    return 0


@contextlib.asynccontextmanager
async def misbehaving_registry(image: MadeImage) -> AsyncIterator[MisbehavingRegistry]:
    """Serve for the length of the block."""
    registry = MisbehavingRegistry(image=image)
    server = await asyncio.start_server(registry.answer, "127.0.0.1", 0)
    registry.port = server.sockets[0].getsockname()[1]
    try:
        yield registry
    finally:
        server.close()
        for task in registry.tasks:
            task.cancel()
        await asyncio.wait(registry.tasks)


@contextlib.contextmanager
def misbehaving_beside(image: MadeImage) -> Iterator[MisbehavingRegistry]:
    """Serve from a thread, for tests that wait for other processes themselves."""
    begun: queue.SimpleQueue[tuple[MisbehavingRegistry, asyncio.AbstractEventLoop]] = queue.SimpleQueue()
    enough = asyncio.Event()

    async def serve() -> None:
        async with misbehaving_registry(image) as registry:
            begun.put((registry, asyncio.get_running_loop()))
            await enough.wait()

    with ThreadPoolExecutor(max_workers=1) as thread:
        serving = thread.submit(asyncio.run, serve())
        registry, loop = begun.get(timeout=20)
        try:
            yield registry
        finally:
            loop.call_soon_threadsafe(enough.set)
            serving.result()
