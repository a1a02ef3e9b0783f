"""The relay of one container's output: `python -m controller.kernel.logs.log_relay_main DIRECTORY`.

It stands between conmon and what takes the output in, where conmon alone can't do what is asked: drop what comes too
fast, or put labels and variables into the entries of the journal. In DIRECTORY, relay.json says what to do, conmon
writes lines in the CRI format to relay.fifo, and whoever rotates the log asks for a new file at relay.ctl.

It returns once the relay reads, which outlives the daemon and ends when conmon has. A watcher holds the fifo open: when the
relay is killed, it makes another one, and conmon notices nothing. Nothing beyond the standard library is imported.
"""

import json
import os
import select
import sys
import threading
import time
from pathlib import Path
from typing import Any

from controller.kernel.logs.log_relay_buffer import Buffer, find_line_end
from controller.kernel.logs.log_relay_sinks import FileSink, JournalSink, Sink

_CHUNK_BYTES = 1 << 16
_FLUSH_S = 5.0
"""How long the last lines may take where lines may be dropped."""
_PAUSE_S = 1.0


def main(directory_path: str) -> int:
    """Start the relay; the exit code."""
    directory = Path(directory_path)
    order = json.loads((directory / "relay.json").read_text())
    fifo_fd = os.open(directory / "relay.fifo", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    # Held open for writing too, so that its end is never seen.
    control_fd = os.open(directory / "relay.ctl", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    reader, writer = os.pipe2(os.O_CLOEXEC)
    if os.fork():
        os.close(writer)
        return 0 if os.read(reader, 1) else 1
    os.setsid()
    os.chdir("/")
    null_fd = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null_fd, fd)
    return _watch(directory, order, (fifo_fd, control_fd), writer)


def _watch(directory: Path, order: dict[str, Any], fds: tuple[int, int], ready_fd: int) -> int:
    """Have a relay run until one ends because conmon has."""
    while True:
        child = os.fork()
        if child == 0:
            relay(order, *fds)
            os._exit(0)
        draft_path = directory / "relay.pids.new"
        draft_path.write_text(f"{os.getpid()} {child}")
        draft_path.replace(directory / "relay.pids")
        if ready_fd >= 0:
            os.write(ready_fd, b"1")
            os.close(ready_fd)
            ready_fd = -1
        _, status = os.waitpid(child, 0)
        if status == 0:
            return 0
        if not os.WIFSIGNALED(status):
            time.sleep(_PAUSE_S)


def relay(order: dict[str, Any], fifo_fd: int, control_fd: int) -> None:
    """Carry lines until conmon has ended and the last of them is taken in."""
    drops = bool(order["drops"])
    sink: Sink
    if order["journal"]:
        sink = JournalSink(order["fields"])
    else:
        sink = FileSink(Path(order["path"]), most_bytes=int(order["most_bytes"]))
    buffer = Buffer(int(order["buffer_bytes"]), drops=drops)
    taker = threading.Thread(target=_take_in, args=(buffer, sink), daemon=True)
    taker.start()
    _read_all(fifo_fd, control_fd, buffer)
    buffer.close()
    taker.join(_FLUSH_S if drops else None)


def _read_all(fifo_fd: int, control_fd: int, buffer: Buffer) -> None:
    """Read to the end of conmon, which is never kept waiting where lines may be dropped."""
    poller = select.poll()
    for fd in (fifo_fd, control_fd):
        poller.register(fd, select.POLLIN)
    rest = b""
    while True:
        for fd, events in poller.poll():
            if fd == control_fd:
                os.read(control_fd, _CHUNK_BYTES)
                buffer.begin_file()
            elif events & select.POLLIN:
                data = rest + os.read(fifo_fd, _CHUNK_BYTES)
                end = find_line_end(data, len(data))
                if len(data) - end > _CHUNK_BYTES:
                    end = data.rfind(b"\n") + 1  # a line without end goes on in parts
                rest = data[end:]
                if end:
                    buffer.put(data[:end])
            else:
                if rest:
                    buffer.put(rest)
                return


def _take_in(buffer: Buffer, sink: Sink) -> None:
    lost = 0
    while (batch := buffer.take()) is not None:
        if batch.begins_file:
            sink.begin_file()
            continue
        if lost + batch.dropped:
            sink.tell_dropped(lost + batch.dropped)
        lost = sink.write(batch.lines)
        buffer.give_back(batch)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
