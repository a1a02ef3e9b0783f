"""A child that works on a container's files, seen from outside: `running(runner, job)`."""

import contextlib
import json
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any

from controller import errors
from controller.errors import HoldError, Refused
from controller.kernel.files.container_files_pipes import Pipe, read_chunks, write_all
from controller.kernel.subprocesses import Child, Runner, Stdio, describe_code

_PATHS_CHILD = "controller.kernel.files.container_files_child"
_LAYERS_CHILD = "controller.kernel.files.container_layers_child"
_MOST_COMPLAINT_BYTES = 1 << 16
_ERRORS: dict[str, type[HoldError]] = {
    each.__name__: each
    for each in (errors.Invalid, errors.NotFound, errors.Refused, errors.Exhausted, errors.Unsupported)
}


@dataclass(kw_only=True, slots=True)
class Work:
    """A child at work, seen from outside."""

    input: Pipe
    output: Pipe
    complaint_fd: int
    child: Child | None = None
    _rest: bytes = b""
    _chunks: AsyncIterator[bytes] | None = None

    async def write(self, data: bytes) -> None:
        """Send bytes to the child; BrokenPipeError when it has ended."""
        await write_all(self.input.write_fd, data)

    def end_input(self) -> None:
        """Tell the child that no more comes."""
        self.input.close(self.input.write_fd)

    async def read_header(self) -> Any:  # noqa: ANN401
        """Return the line of JSON that an answer begins with; raise what the child complains of instead."""
        self._chunks = read_chunks(self.output.read_fd)
        received = bytearray()
        async for chunk in self._chunks:
            received += chunk
            if b"\n" in chunk:
                line, _, self._rest = bytes(received).partition(b"\n")
                return json.loads(line)
        await self._check()
        raise Refused("the work on the container's files ended without an answer")

    async def read_rest(self) -> AsyncIterator[bytes]:
        """Yield what comes after the header; raise what the child complains of at last."""
        if self._rest:
            yield self._rest
        if self._chunks is not None:
            async for chunk in self._chunks:
                yield chunk
        await self._check()

    async def _check(self) -> None:
        child, self.child = self.child, None
        code = await child.wait() if child is not None else 0
        if code == 0:
            return
        complaint = os.pread(self.complaint_fd, _MOST_COMPLAINT_BYTES, 0).decode(errors="replace")
        try:
            told = json.loads(complaint)
        except ValueError:
            last = complaint.strip().splitlines()[-1:] or [describe_code(code)]
            raise Refused(f"the container's files can't be worked on: {last[0]}") from None
        raise _ERRORS.get(told["error"], Refused)(told["message"])

    async def end(self) -> None:
        """Kill the child if it still runs, and let go of its streams."""
        if self.child is not None:
            self.child.kill()
            await self.child.wait()
        self.input.close_both()
        self.output.close_both()
        os.close(self.complaint_fd)


@contextlib.asynccontextmanager
async def running(runner: Runner, job: dict[str, Any], fds: tuple[int, ...] = ()) -> AsyncGenerator[Work]:
    """Run a child for a job; it is killed when the block ends before it does. It gets `fds` too."""
    program = _LAYERS_CHILD if "upper" in job else _PATHS_CHILD
    work = Work(input=Pipe(), output=Pipe(), complaint_fd=os.memfd_create("complaint"))
    try:
        stdio = Stdio(
            stdin=work.input.read_fd,
            stdout=work.output.write_fd,
            stderr=work.complaint_fd,
            extra_fds=fds,
        )
        child = runner.spawn(sys.executable, "-I", "-m", program, json.dumps(job), stdio=stdio)
        work.input.close(work.input.read_fd)
        work.output.close(work.output.write_fd)
        os.set_blocking(work.input.write_fd, False)
        work.child = child
        yield work
    finally:
        await work.end()
