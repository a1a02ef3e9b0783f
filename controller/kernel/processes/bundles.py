"""The directory of a container's process: what it was created from, and what the runtime and conmon leave there."""

import contextlib
import dataclasses
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.model.wants import ProcessWant

_UID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a program could not be run, and the exit code that shells give it: 127 not found, 126 not runnable."""

    message: str
    code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a process was created from, and the limits of its log; `texts` is the digest of the files it was given last.

    With `reads_pipe` its standard input is one that clients write to, and no terminal; with `log_relayed` a relay stands
    between conmon and its log.
    """

    name: str
    run: int
    spec_hash: str
    runtime: str
    tty: bool
    log_max_bytes: int = 0
    log_max_files: int = 1
    log_compress: bool = False
    log_relayed: bool = False
    reads_pipe: bool = False
    texts: str = ""


class Bundle:
    """Paths and small files of one container's process. Files other than the runtime's are replaced whole."""

    def __init__(self, layout: Layout, uid: Uid) -> None:
        self.uid = uid
        self.path = Path(layout.bundle_path(uid))
        self.pid_path = self.path / "pid"
        self.conmon_pid_path = self.path / "conmon.pid"
        self.config_path = self.path / "config.json"
        self.attach_path = self.path / "attach"
        self.control_path = self.path / "ctl"
        self.relay_path = self.path / "relay.fifo"
        self.relay_control_path = self.path / "relay.ctl"
        self.exit_path = Path(layout.exits_path) / uid
        self.log_path = Path(layout.log_path(uid))
        self.runtime_path = Path(layout.runtime_state_path) / uid
        self._exec_fifo_path = self.runtime_path / "exec.fifo"

    def exists(self) -> bool:
        return self.path.is_dir()

    def write(self, want: ProcessWant, config: Mapping[str, object], origin: Origin) -> None:
        """Make the directory with all that has to be there before the runtime is run."""
        for directory in (self.path, self.exit_path.parent, self.runtime_path.parent, self.log_path.parent):
            directory.mkdir(mode=0o711, parents=True, exist_ok=True)
        self.write_origin(origin)
        for name, text in want.files:
            (self.path / name).write_text(text)
            os.chown(self.path / name, want.id_base, want.id_base)
        self.write_config(config)

    def write_config(self, config: Mapping[str, object]) -> None:
        """Write what the runtime reads."""
        self.config_path.write_text(json.dumps(config, ensure_ascii=False))

    def write_origin(self, origin: Origin) -> None:
        """Remember what the process was created from."""
        temporary = self.path / "origin.json.new"
        temporary.write_text(json.dumps(dataclasses.asdict(origin)))
        temporary.replace(self.path / "origin.json")

    def read_origin(self) -> Origin | None:
        """Return what the process was created from, None when the creation got not even that far."""
        try:
            fields = json.loads((self.path / "origin.json").read_text())
            return Origin(**fields)
        except (FileNotFoundError, json.JSONDecodeError, TypeError):
            return None

    def read_pid(self) -> int:
        """Return the pid of the container's first process as it was at creation, 0 when unknown."""
        return _read_number(self.pid_path) or 0

    def read_conmon_pid(self) -> int:
        """Return conmon's pid, 0 when unknown or when it is no longer conmon's."""
        pid = _read_number(self.conmon_pid_path) or 0
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return 0
        return pid if pid and self.uid.encode() in command else 0

    def awaits_start(self) -> bool:
        """Tell whether the runtime's init still waits: both crun and runc remove the fifo as they let it go."""
        return self._exec_fifo_path.exists()

    def mark_started(self) -> None:
        (self.path / "started").touch()

    def read_started_at(self) -> float | None:
        """Return when the program was let go."""
        return _read_mtime(self.path / "started")

    def read_exit(self) -> tuple[int | None, float | None]:
        """Return exit code and time from conmon's exit file; None, None while there is none."""
        return _read_number(self.exit_path), _read_mtime(self.exit_path)

    def has_oom_mark(self) -> bool:
        """Tell whether conmon noticed that the kernel killed for want of memory."""
        return (self.path / "oom").exists()

    def write_failure(self, failure: Failure) -> None:
        temporary = self.path / "failure.json.new"
        temporary.write_text(json.dumps({"message": failure.message, "code": failure.code}))
        temporary.replace(self.path / "failure.json")

    def read_failure(self) -> Failure | None:
        """Return why the program could not be run, None when nothing is known against it."""
        try:
            return Failure(**json.loads((self.path / "failure.json").read_text()))
        except (FileNotFoundError, json.JSONDecodeError, TypeError):
            return None

    def remove(self) -> None:
        """Remove everything but the log; the directory itself last, since it says that something may be left."""
        with contextlib.suppress(FileNotFoundError):
            self.exit_path.unlink()
        shutil.rmtree(self.runtime_path, ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self.path)


def list_bundles(layout: Layout) -> list[Uid]:
    """Return the containers that have a process or the remains of one."""
    places = (layout.bundles_path, layout.runtime_state_path)
    names = dict.fromkeys(name for place in places for name in _list_names(place))
    return [Uid(name) for name in names if _UID.fullmatch(name)]  # crun keeps more there


def _list_names(path: str) -> list[str]:
    try:
        return os.listdir(path)  # noqa: PTH208 - names, not paths
    except FileNotFoundError:
        return []


def _read_number(path: Path) -> int | None:
    try:
        return int(path.read_text().strip() or "-")
    except (FileNotFoundError, ValueError):
        return None


def _read_mtime(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return None
