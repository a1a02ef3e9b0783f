"""Exit codes as Docker's users know them."""

from controller.api.v1 import container_pb2
from controller.model.container import Container

DAEMON_FAILED = 125
NOT_EXECUTABLE = 126
NOT_FOUND = 127
KILLED = 137

_DIRECTORY_WORDS = "the working directory can't be entered"
_NOT_FOUND_WORDS = ("not found", "no such file")
_NOT_EXECUTABLE_WORDS = ("permission denied", "not executable", "is a directory", "exec format")


def choose_start_code(error: str) -> int:
    """Return the exit code for a program that could not be run: 127 not found, 126 not executable, 125 all else."""
    words = error.lower()
    if _DIRECTORY_WORDS in words:
        return NOT_EXECUTABLE
    if any(part in words for part in _NOT_FOUND_WORDS):
        return NOT_FOUND
    return NOT_EXECUTABLE if any(part in words for part in _NOT_EXECUTABLE_WORDS) else DAEMON_FAILED


def convert_exit(container: Container) -> container_pb2.Exit:
    """Return how the container's last process ended; one that was removed along with its container was killed."""
    status = container.status
    if status.pid and container.metadata.deleted_at is not None:
        return container_pb2.Exit(code=KILLED)
    if status.error:
        return container_pb2.Exit(code=choose_start_code(status.error), error=status.error)
    return container_pb2.Exit(code=status.exit_code or 0, oom_killed=status.oom_killed)
