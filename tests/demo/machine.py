"""The demo's machine: a daemon, a small image, and looks at both from outside."""

import http.client
import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

from tests.demo.screen import Screen, StepFailed, wait_for

_PROGRAM = str(Path(sys.executable).with_name("hold"))
_APPLETS = "sh httpd wget sleep cat ls ps kill true nslookup"


class Machine:
    """A host with hold on it; `scratch_path` is a directory for everything that lies on disk."""

    def __init__(self, *, scratch_path: Path, screen: Screen) -> None:
        self._scratch_path = scratch_path
        self._screen = screen
        self._run_path = scratch_path / "run"
        self._daemon: subprocess.Popen[bytes] | None = None
        self._environment = {**os.environ, "HOLD_HOST": f"unix://{self._run_path}/hold.sock"}

    def start_daemon(self) -> None:
        """Start `hold daemon` and wait until it answers."""
        arguments = ["daemon", "--root", str(self._scratch_path / "root"), "--run", str(self._run_path)]
        log_path = self._scratch_path / "daemon.log"
        with log_path.open("ab") as log:
            self._daemon = subprocess.Popen([_PROGRAM, *arguments], stdout=log, stderr=log)
        try:
            wait_for(self._answers, "the daemon's answer")
        except StepFailed as error:
            raise StepFailed(f"{error}; its log ends with:\n{log_path.read_text()[-2000:]}") from error

    def _answers(self) -> bool:
        answer = subprocess.run(
            [_PROGRAM, "version"], env=self._environment, capture_output=True, check=False
        )
        return answer.returncode == 0

    def kill_daemon(self) -> None:
        """End the daemon as a crash does."""
        if self._daemon is not None:
            self._daemon.send_signal(signal.SIGKILL)
            self._daemon.wait()

    def hold(self, words: str, *, show: bool = True) -> str:
        """Run a hold command, show it and what it printed, and return the latter."""
        self._screen.command(f"hold {words}")
        answer = subprocess.run(
            [_PROGRAM, *shlex.split(words)],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if show:
            self._screen.output(answer.stdout)
        if answer.returncode != 0:
            raise StepFailed(f"exit code {answer.returncode}: {answer.stderr.strip()}")
        return answer.stdout

    def read_pid(self, container: str) -> int:
        """Return the pid of a container's process, 0 while there is none."""
        answer = subprocess.run(
            [_PROGRAM, "get", "container", container, "-o", "json"],
            env=self._environment,
            capture_output=True,
            check=False,
        )
        if answer.returncode != 0:
            return 0
        return int(json.loads(answer.stdout).get("status", {}).get("pid", 0))

    def make_image_archive(self) -> Path:
        """Make a root file system out of Debian's static busybox and return its tar archive."""
        root_path = self._scratch_path / "image"
        for folder in ("bin", "data", "dev", "etc", "proc", "sys", "tmp"):
            (root_path / folder).mkdir(parents=True)
        (root_path / "bin/busybox").write_bytes(Path("/bin/busybox").read_bytes())
        (root_path / "bin/busybox").chmod(0o755)
        for applet in _APPLETS.split():
            (root_path / "bin" / applet).symlink_to("busybox")
        archive_path = self._scratch_path / "shop.tar"
        subprocess.run(["tar", "-C", str(root_path), "-cf", str(archive_path), "."], check=True)
        return archive_path


def fetch(port: int) -> str:
    """Return what a port of this host answers, empty while nothing does."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode()
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()


def run(words: str) -> str:
    """Run a command of the host and return what it printed."""
    return subprocess.run(shlex.split(words), check=True, capture_output=True, text=True).stdout
