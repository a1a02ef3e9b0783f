"""Docker and Podman with storages of their own, without networks, for images that go between them and hold."""

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.machine import wait_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """An engine: `command` begins each of its command lines, `pull` ends those that speak to a registry."""

    command: tuple[str, ...]
    insecure: tuple[str, ...] = ()

    def run(self, *words: str) -> str:
        """Run one command and return what it prints."""
        answer = self.attempt(*words)
        assert answer.returncode == 0, f"{' '.join(words)}: {answer.stderr}"
        return answer.stdout

    def attempt(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run one command to its end."""
        return subprocess.run(
            [*self.command, *words], capture_output=True, text=True, check=False, timeout=60
        )

    def move(self, verb: str, name: str) -> str:
        """Pull or push an image; the registry is on this host."""
        return self.run(verb, *self.insecure, name)


@contextlib.contextmanager
def usable_podman(path: Path) -> Iterator[Program]:
    """Let podman be used; it has no daemon, but leaves cgroups behind, which go with the block."""
    options = {
        "--root": str(path / "podman"),
        "--runroot": "/run/hold-podman",
        "--storage-driver": "vfs",
        "--cgroup-manager": "cgroupfs",
        "--events-backend": "none",
        "--tmpdir": str(path / "podman-tmp"),
    }
    words = [word for pair in options.items() for word in pair]
    try:
        yield Program(command=("podman", *words), insecure=("--tls-verify=false",))
    finally:
        remove_cgroups("conmon", "libpod_parent")


@contextlib.contextmanager
def running_docker(path: Path) -> Iterator[Program]:
    """Run dockerd for the length of the block; it touches neither links nor rules."""
    socket = f"unix://{path}/docker.sock"
    arguments = [
        "dockerd",
        "--host",
        socket,
        "--data-root",
        str(path / "docker"),
        "--exec-root",
        str(path / "exec"),
    ]
    arguments += [
        "--pidfile",
        str(path / "docker.pid"),
        "--bridge=none",
        "--iptables=false",
        "--ip-forward=false",
    ]
    arguments += ["--ip-masq=false", "--cgroup-parent", "hold-docker", "--storage-driver", "vfs"]
    program = Program(command=("/usr/bin/docker", "--host", socket))
    with (path / "docker.log").open("wb") as log:
        daemon = subprocess.Popen(arguments, stdout=log, stderr=log)
    try:
        wait_for(lambda: daemon.poll() is not None or program.attempt("info").returncode == 0, "dockerd")
        assert daemon.poll() is None, (path / "docker.log").read_text()[-2000:]
        yield program
    finally:
        daemon.terminate()
        daemon.wait(timeout=60)
        remove_cgroups("hold-docker")


def remove_cgroups(*names: str) -> None:
    """Remove empty cgroups of these names with those in them."""
    found = [path for name in names for path in Path("/sys/fs/cgroup").rglob(name)]
    for path in found:
        for below in sorted((each for each in path.rglob("*") if each.is_dir()), reverse=True):
            below.rmdir()
        path.rmdir()
