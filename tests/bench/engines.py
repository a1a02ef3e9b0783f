"""The engines: how each is started, driven and stopped. Their command lines are alike, which is the point."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.commands import CommandFailed, find_pids, run, wait_until

IMAGE = "bench:1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """An engine that is ready: `command` begins each of its command lines.

    `monitors` are the names of the processes that it keeps for each container, `daemon_pids` its own processes,
    `remove` the verb that ends and removes containers at once, `registry_options` what pulling from and pushing to a
    registry without encryption needs.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    monitors: tuple[str, ...] = ()
    daemon_pids: tuple[int, ...] = ()
    remove: tuple[str, ...] = ("rm", "-f")
    registry_options: tuple[str, ...] = ()

    def run(self, *arguments: str) -> str:
        """Run one command of the engine and return what it printed."""
        return run((*self.command, *arguments), self.environment)

    def is_ready(self) -> bool:
        """Tell whether it answers."""
        try:
            self.run("info")
        except CommandFailed:
            return False
        return True


def make_image_archive(scratch_path: Path) -> Path:
    """Make a tar archive of a root file system of busybox and return its path."""
    root_path = scratch_path / "root"
    (root_path / "bin").mkdir(parents=True)
    for folder in ("proc", "sys", "dev", "tmp", "etc"):
        (root_path / folder).mkdir()
    run(["cp", "/bin/busybox", str(root_path / "bin/busybox")])
    run(["chroot", str(root_path), "/bin/busybox", "--install", "-s", "/bin"])
    archive_path = scratch_path / "busybox.tar"
    run(["tar", "-C", str(root_path), "-cf", str(archive_path), "."])
    return archive_path


@contextlib.contextmanager
def started(arguments: Sequence[str], log_path: Path) -> Iterator[int]:
    """Run a daemon for the length of the block; yields its pid. Refused outside of a test host: it would change the machine."""
    if os.environ.get("HOLD_TEST_HOST") != "1":
        raise SystemExit("this needs a test host: python -m tests.testhost -- COMMAND")
    with log_path.open("wb") as log, subprocess.Popen(list(arguments), stdout=log, stderr=log) as process:
        try:
            yield process.pid
        finally:
            process.terminate()
            process.wait(timeout=60)


@contextlib.contextmanager
def hold(scratch_path: Path, archive_path: Path) -> Iterator[Engine]:
    """hold, with directories of its own."""
    program = str(Path(sys.executable).with_name("hold"))
    root, runtime = str(scratch_path / "hold"), "/run/hold-bench"
    environment = {"HOLD_HOST": f"unix://{runtime}/hold.sock"}
    daemon = [program, "daemon", "--root", root, "--run", runtime]
    with started(daemon, scratch_path / "hold.log") as pid:
        engine = Engine(
            name="hold", command=(program,), environment=environment, monitors=("conmon",), daemon_pids=(pid,)
        )
        wait_until(engine.is_ready, "hold")
        engine.run("import", str(archive_path), IMAGE)
        engine.run("wait", "--for=condition=Ready", f"image/{IMAGE}")
        yield engine


@contextlib.contextmanager
def docker(scratch_path: Path, archive_path: Path) -> Iterator[Engine]:
    """Debian's dockerd, which starts its containerd itself."""
    socket = "unix:///run/docker-bench.sock"
    arguments = ["dockerd", "--host", socket, "--data-root", str(scratch_path / "docker")]
    arguments += ["--exec-root", "/run/docker-bench", "--pidfile", "/run/docker-bench.pid"]
    before = set(find_pids("containerd"))
    with started(arguments, scratch_path / "docker.log") as pid:
        engine = Engine(name="Docker", command=("/usr/bin/docker", "--host", socket))
        wait_until(engine.is_ready, "dockerd", interval_s=0.1)
        engine.run("import", str(archive_path), IMAGE)
        pids = (pid, *(set(find_pids("containerd")) - before))
        yield Engine(
            name="Docker",
            command=engine.command,
            monitors=("containerd-shim", "docker-proxy"),
            daemon_pids=pids,
        )


@contextlib.contextmanager
def podman(scratch_path: Path, archive_path: Path) -> Iterator[Engine]:
    """Debian's podman; has no daemon."""
    storage = ["--root", str(scratch_path / "podman"), "--runroot", "/run/podman-bench", "--runtime", "crun"]
    options = [
        "--cgroup-manager",
        "cgroupfs",
        "--events-backend",
        "file",
        "--tmpdir",
        "/run/podman-bench/tmp",
    ]
    engine = Engine(
        name="Podman",
        command=("podman", *storage, *options),
        monitors=("conmon",),
        remove=("rm", "-f", "-t", "0"),
        registry_options=("--tls-verify=false",),
    )
    engine.run("import", str(archive_path), IMAGE)
    yield engine
