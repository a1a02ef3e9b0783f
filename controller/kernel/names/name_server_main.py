"""The name server's process: `python -m controller.kernel.names.name_server_main DIRECTORY RESOLV_CONF`.

It returns once the server, a process of its own that outlives the daemon, listens at DIRECTORY/control; exits with 1 and
a reason when it can't. What is served is told there (see `name_server_control`). Nothing beyond the standard library is
imported, and no asyncio: it stays small.
"""

import os
import resource
import sys
from pathlib import Path

from controller.kernel.names.dns_loop import Loop
from controller.kernel.names.name_server_answers import Answers
from controller.kernel.names.name_server_control import Control, listen
from controller.kernel.names.name_server_endpoints import Endpoints


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


def main(directory_path: str, resolv_conf_path: str) -> int:
    """Start the server; the exit code."""
    directory = Path(directory_path)
    reader, writer = os.pipe2(os.O_CLOEXEC)
    if os.fork():
        os.close(writer)
        return 0 if os.read(reader, 1) else 1
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    loop = Loop()
    answers = Answers(loop, resolv_conf_path)
    try:
        listener = listen(directory)
    except OSError as exc:
        sys.stderr.write(f"{exc.strerror}\n")
        return 1
    Control(loop, listener, answers, Endpoints(loop, answers))
    _leave_parent(directory, writer)
    return loop.run()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
