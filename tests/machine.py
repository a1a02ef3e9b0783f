"""A daemon as a user has it, driven by its command line; for the demo and the end-to-end tests, in a test host."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

PROGRAM = str(Path(sys.executable).with_name("hold"))
DEADLINE_S = 60.0
_FOLDERS = ("bin", "data", "dev", "etc", "proc", "root", "sys", "tmp")


class NotInTime(Exception):
    """Something that was waited for did not come."""


def wait_for(condition: Callable[[], object], what: str, *, deadline_s: float = DEADLINE_S) -> None:
    """Return as soon as the condition holds; NotInTime after the deadline."""
    until = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > until:
            raise NotInTime(f"{what}: not within {deadline_s:.0f} s")
        time.sleep(0.005)


class Machine:
    """A host with hold on it; everything that lies on disk is below `scratch_path`."""

    def __init__(self, scratch_path: Path, *, options: Sequence[str] = ()) -> None:
        self.scratch_path = scratch_path
        self.root_path = scratch_path / "root"
        self.run_path = scratch_path / "run"
        self.log_path = scratch_path / "daemon.log"
        self.environment = {**os.environ, "HOLD_HOST": f"unix://{self.run_path}/hold.sock"}
        self._options = list(options)
        self._daemon: subprocess.Popen[bytes] | None = None

    @property
    def daemon_pid(self) -> int:
        """The pid of the running daemon."""
        if self._daemon is None:
            raise NotInTime("no daemon runs")
        return self._daemon.pid

    def spawn_daemon(self) -> "subprocess.Popen[bytes]":
        """Start `hold daemon` and do not wait for anything."""
        directories = ["--root", str(self.root_path), "--run", str(self.run_path)]
        with self.log_path.open("ab") as log:
            self._daemon = subprocess.Popen(
                [PROGRAM, "daemon", *directories, *self._options],
                stdout=log,
                stderr=log,
                env=self.environment,
            )
        return self._daemon

    def start_daemon(self) -> None:
        """Start `hold daemon` and wait until it answers; NotInTime tells the end of its log."""
        daemon = self.spawn_daemon()
        try:
            wait_for(lambda: daemon.poll() is not None or self.answers(), "the daemon's answer")
        except NotInTime as error:
            raise NotInTime(f"{error}; its log ends with:\n{self.read_log()[-4000:]}") from error
        if daemon.poll() is not None:
            raise NotInTime(f"the daemon ended with {daemon.returncode}:\n{self.read_log()[-4000:]}")

    def answers(self) -> bool:
        """Tell whether a daemon answers."""
        return self.hold("version").returncode == 0

    def kill_daemon(self) -> None:
        """End the daemon as a crash does; nothing when none runs."""
        self._end_daemon(signal.SIGKILL)

    def stop_daemon(self) -> int:
        """End the daemon as a service manager does and return its exit code."""
        return self._end_daemon(signal.SIGTERM)

    def _end_daemon(self, number: signal.Signals) -> int:
        if self._daemon is None:
            return 0
        self._daemon.send_signal(number)
        code = self._daemon.wait(timeout=DEADLINE_S)
        self._daemon = None
        return code

    def read_log(self) -> str:
        """Return the daemon's log."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def hold(self, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        """Run a hold command to its end."""
        return subprocess.run(
            [PROGRAM, *arguments],
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=2 * DEADLINE_S,
        )

    def succeed(self, *arguments: str, stdin: str = "") -> str:
        """Run a hold command that has to succeed and return what it printed."""
        answer = self.hold(*arguments, stdin=stdin)
        assert answer.returncode == 0, (
            f"hold {' '.join(arguments)}: exit code {answer.returncode}: {answer.stderr}{answer.stdout}"
        )
        return answer.stdout

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """Return an object, an empty one when it does not exist."""
        answer = self.hold("get", kind, name, "-o", "json")
        found: dict[str, Any] = json.loads(answer.stdout) if answer.returncode == 0 else {}
        return found

    def read_status(self, name: str) -> dict[str, Any]:
        """Return a container's status, an empty one when there is none."""
        status: dict[str, Any] = self.get("container", name).get("status", {})
        return status

    def read_pid(self, name: str) -> int:
        """Return the pid of a container's process, 0 while there is none."""
        return int(self.read_status(name).get("pid", 0))

    def purge(self) -> None:
        """Delete every object, end the daemon; what a host keeps after that was left behind.

        The administrator's chain stays by design and is removed here.
        """
        if self._daemon is None or self._daemon.poll() is not None:
            self.start_daemon()
        for kind in ("container", "network", "volume", "image"):
            self.succeed("delete", kind, "--all", "--force", "--grace-period", "0")
        self.stop_daemon()

    def import_image(self, name: str) -> None:
        """Make a root file system out of Debian's static busybox and import it."""
        self.succeed("import", str(self.make_image_archive()), name)
        self.succeed("wait", "--for=condition=Ready", f"image/{name}")

    def make_image_root(self) -> Path:
        """Return a directory with busybox in it, every applet a link; made once."""
        root_path = self.scratch_path / "image"
        if root_path.exists():
            return root_path
        for folder in _FOLDERS:
            (root_path / folder).mkdir(parents=True)
        (root_path / "bin/busybox").write_bytes(Path("/bin/busybox").read_bytes())
        (root_path / "bin/busybox").chmod(0o755)
        script_path = root_path / "www/cgi-bin/who"
        script_path.parent.mkdir(parents=True)
        script_path.write_text("#!/bin/sh\necho\necho $REMOTE_ADDR\n")
        script_path.chmod(0o755)
        (root_path / "www/index.html").write_text("hello from a container\n")
        (root_path / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1000::/:/bin/sh\n")
        (root_path / "etc/group").write_text("root:x:0:\nweb:x:1000:\n")
        applets = subprocess.run(
            ["/bin/busybox", "--list"], check=True, capture_output=True, text=True
        ).stdout
        for applet in applets.split():
            if applet != "busybox":
                (root_path / "bin" / applet).symlink_to("busybox")
        return root_path

    def make_image_archive(self) -> Path:
        """Return a tar archive of `make_image_root`; made once."""
        archive_path = self.scratch_path / "image.tar"
        if not archive_path.exists():
            subprocess.run(
                ["tar", "-C", str(self.make_image_root()), "-cf", str(archive_path), "."], check=True
            )
        return archive_path


def fetch(port: int, host: str = "127.0.0.1", path: str = "/") -> str:
    """Return what an HTTP server answers, empty while nothing does; the image's /cgi-bin/who tells the client's address."""
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()
