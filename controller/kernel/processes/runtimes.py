"""The OCI runtime: which one, how it is called, what its complaints mean. `Runtimes(runner, layout, cgroups)`."""

import contextlib
import json
import re
from dataclasses import dataclass
from pathlib import PurePath

from controller.errors import Exhausted, HoldError, Refused, Unsupported
from controller.kernel.cgroups.cgroups import Cgroups
from controller.kernel.processes.bundles import Failure
from controller.kernel.processes.complaints import explain_complaint
from controller.kernel.subprocesses import Runner
from controller.model.layout import Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """A runtime by absolute path, with the arguments that come before every command."""

    path: str
    state_path: str

    @property
    def takes_filter(self) -> bool:
        """Whether a compiled seccomp filter can be handed over."""
        return PurePath(self.path).name == "crun"

    @property
    def hands_over_terminals(self) -> bool:
        """Whether an exec that it waits for can have its terminal handed over; runc does so detached alone."""
        return PurePath(self.path).name == "crun"

    @property
    def options(self) -> tuple[str, ...]:
        return ("--root", self.state_path)

    def command(self, *arguments: str) -> tuple[str, ...]:
        """Return a whole command line."""
        return (self.path, *self.options, *arguments)


class Runtimes:
    """Chooses runtimes."""

    def __init__(self, runner: Runner, layout: Layout, cgroups: Cgroups, *, default: str = "") -> None:
        self._runner = runner
        self._layout = layout
        self._cgroups = cgroups
        self._default = default

    def choose(self, name: str) -> Runtime:
        """Return the runtime of this name or path, or the host's best for an empty name; Unsupported without one.

        crun is the faster one; it does not run beside a version 2 tree without controllers (hybrid layout).
        """
        return Runtime(path=self._find(name or self._default), state_path=self._layout.runtime_state_path)

    def _find(self, name: str) -> str:
        if name:
            return self._runner.find(name)
        last: Unsupported | None = None
        for candidate in ("runc", "crun") if self._cgroups.hybrid else ("crun", "runc"):
            try:
                return self._runner.find(candidate)
            except Unsupported as error:
                last = last or error
        raise Unsupported("no OCI runtime is on this host: install crun or runc (apt install crun)") from last


_NOT_FOUND = re.compile(
    r"executable file `?\"?(?P<name>[^`'\":]*)[`'\"]? ?not found"
    r"|exec(?:ve)?:? [`\"]?(?P<other>[^`'\":]*)[`'\"]?:.*(?:executable file not found|no such file)",
    re.IGNORECASE,
)
_BAD_DIRECTORY = re.compile(r"chdir|cwd|working directory", re.IGNORECASE)


def parse_complaint(text: str) -> str:
    """Return the runtime's last message in one line, without time, level and wrapping."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    if not lines:
        return "no message"
    line = lines[-1]
    if line.startswith("{"):
        with contextlib.suppress(json.JSONDecodeError):
            line = str(json.loads(line).get("msg", line))
    match = re.search(r'level=error msg="((?:[^"\\]|\\.)*)"', line)
    if match:
        line = match[1].replace('\\"', '"')
    line = re.sub(r"^\d{4}-\d\d-\d\dT\S+\s+", "", line)
    return re.sub(r"^(?:error|crun|runc|(?:runc|crun) (?:create|run|start|exec) failed): ", "", line)


def classify_failure(text: str, program: str) -> Failure | None:
    """Return why the container's own program can't be run, None when the complaint is about something else."""
    complaint = parse_complaint(text)
    if _BAD_DIRECTORY.search(complaint):
        return Failure(message=f"the working directory can't be entered: {_tail(complaint)}", code=126)
    if _NOT_FOUND.search(complaint):
        return Failure(message=f"{program}: executable not found in the container", code=127)
    lowered = complaint.lower()
    about_program = "exec" in lowered or program in complaint
    # crun finds a directory where the executable should be (1.8, "open executable").
    denied = "permission denied" in lowered or "open executable: operation not permitted" in lowered
    if denied and about_program:
        message = f"{program}: permission denied: make it executable (chmod +x), or name another program"
        return Failure(message=message, code=126)
    if "exec format error" in lowered:
        return Failure(message=f"{program}: not a program for this machine (exec format error)", code=126)
    if "is a directory" in lowered and about_program:
        return Failure(message=f"{program}: is a directory", code=126)
    return None


def translate_complaint(text: str, runtime: Runtime) -> HoldError:
    """Return the error for a runtime's failure that is not the program's own."""
    complaint = parse_complaint(text)
    name = PurePath(runtime.path).name
    if "no space left" in complaint.lower():
        return Exhausted(f"{name}: the disk is full: {complaint}")
    if "cannot allocate memory" in complaint.lower():
        return Exhausted(f"{name}: memory has run out: {complaint}")
    return Refused(explain_complaint(complaint) or f"{name}: {complaint}")


def _tail(complaint: str) -> str:
    return complaint.rpartition(": ")[2].lower()
