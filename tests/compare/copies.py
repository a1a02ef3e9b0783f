"""`python -m tests.compare.copies`: runs in a test host; each way to write `cp`, and to change files, by Docker and by hold.

Compared are success or failure, and every file afterwards with its type, mode, owner and content; of `diff`, its lines.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.bench.engines import IMAGE, Engine, docker, hold, make_image_archive

NAME = "box"
LAY_OUT = (
    "rm -rf /w; mkdir -p /w/d /w/src/sub; echo old>/w/file; echo a>/w/src/a; echo b>/w/src/sub/b; ln -s a /w/src/ln;"
    "ln -s file /w/lf; ln -s d /w/ld; ln -s /w/none /w/dang; ln -s src /w/lsrc; chown 5:6 /w/src/a; chmod 750 /w/src"
)
SHOW = 'cd /w; find . | sort | while read i; do stat -c "%n %f %u:%g %N" "$i"; [ -f "$i" -a ! -L "$i" ] && cat "$i"; done'
INTO = """
f /w/new|f /w/new/|f /w/file|f /w/file/|f /w/d|f /w/d/|f /w/lf|f /w/ld|f /w/ld/|f /w/dang|f /w/no/x|src /w/new
src /w/new/|src /w/file|src /w/d|src /w/d/|src/ /w/d|src/. /w/d|src/. /w/new|src/. /w/file|src /w/ld|lnf /w/d
-L lnf /w/d|lnd /w/d|-L lnd /w/d|lnd/ /w/d|lnd/. /w/d|f/ /w/d|f/. /w/d|none /w/d|own /w/d|-a own /w/d|suid /w/d
dang /w/d|-L dang /w/d|src /w|f w/rel|src /w/dang|dst /w/d/.|f /w/d/.|f /w/new/.|f /w/file/.|. /w/d|src /w/src
f /w/src|dst/../f /w/d/../n
"""
OUT_OF = """
/w/file new|/w/file new/|/w/file f|/w/file dst|/w/file dst/|/w/file no/x|/w/src new|/w/src new/|/w/src f|/w/src dst
/w/src/. dst|/w/src/. new|/w/src/ dst|/w/lf dst|-L /w/lf dst|/w/lsrc dst|-L /w/lsrc dst|/w/lsrc/ dst|/w/lsrc/. dst
/w/dang dst|-L /w/dang dst|/w/none dst|/w/file/ dst|/w/file/. dst|-a /w/src dst|w/file dst|/w/src lnd|/w/file lnf
/w/file dang|/w/src dang|/w dst|/w/d/../file dst
"""
CHANGES = (
    "echo x > /new; mkdir /nd; echo 1 > /nd/f", "rm /etc/a", "rm -r /etc/sub", "chmod 700 /etc/a", "chmod 700 /etc/sub",
    "rm -r /etc/sub; mkdir /etc/sub; echo n > /etc/sub/other", "touch /etc/a", "mv /etc/a /etc/z", "true",
    "rm -r /etc/sub; echo f > /etc/sub", "rm /etc/a; mkdir /etc/a; echo 1 >/etc/a/1", "echo 1 > /tmp/x; rm /tmp/x",
    "touch -d 2001-01-01 /etc/sub", "ln -s x /etc/lnk; mkfifo /etc/ff", "mv /etc/sub /etc/sub2",
    "rm -r /etc/sub/deep; mkdir /etc/sub/deep",
)  # fmt: skip
ON_PURPOSE = {
    "cp own TO /w/d": "Docker's manual says root; Docker keeps the numbers",
    "cp . TO /w/d": "the same, for one file of several",
    "cp -a FROM /w/src dst": "Docker's manual says as in the container; Docker says root",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a line: whether it succeeded, what is there now, and the first words of its complaint."""

    succeeded: bool
    shown: tuple[str, ...]
    told: str


class Trial:
    """One engine, with a container to copy out of and into."""

    def __init__(self, engine: Engine, work_path: Path) -> None:
        self._engine = engine
        self._work_path = work_path

    def try_all(self) -> Mapping[str, Outcome]:
        """Return the outcome of each line."""
        self._run("run", "-d", "--name", NAME, IMAGE, "sleep", "100000")
        found = {}
        for line in INTO.strip().replace("\n", "|").split("|"):
            *words, path = line.split()
            found[f"cp {' '.join(words)} TO {path}"] = self._try(
                (*words, f"{NAME}:{path}"), lambda: self._run("exec", NAME, "sh", "-c", SHOW).stdout
            )
        for line in OUT_OF.strip().replace("\n", "|").split("|"):
            *flags, path, target = line.split()
            found[f"cp {' '.join(flags)} FROM {path} {target}".replace("  ", " ")] = self._try(
                (*flags, f"{NAME}:{path}", target), lambda: "\n".join(show_tree(self._work_path))
            )
        self._run("rm", "-f", NAME)
        return found | {f"diff after {script}": self._change(script) for script in CHANGES}

    def _try(self, words: tuple[str, ...], show: Callable[[], str]) -> Outcome:
        lay_out(self._work_path)
        self._run("exec", NAME, "sh", "-c", LAY_OUT)
        answer = self._run("cp", *words)
        shown = tuple(show().splitlines())
        return Outcome(answer.returncode == 0, shown, answer.stderr.strip()[:100])

    def _change(self, script: str) -> Outcome:
        self._run("run", "--name", "changed", IMAGE, "sh", "-c", script)
        answer = self._run("diff", "changed")
        self._run("rm", "changed")
        return Outcome(answer.returncode == 0, tuple(sorted(answer.stdout.splitlines())), answer.stderr)

    def _run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        environment = {**os.environ, **self._engine.environment}
        command = [*self._engine.command, *words]
        path = self._work_path if self._work_path.exists() else None
        return subprocess.run(command, env=environment, cwd=path, capture_output=True, text=True, check=False)


def lay_out(path: Path) -> None:
    """Make the directory on this side of a copy anew."""
    shutil.rmtree(path, ignore_errors=True)
    (path / "src/sub").mkdir(parents=True)
    (path / "dst").mkdir()
    for name in ("f", "src/a", "src/sub/b", "dst/x", "own", "suid"):
        (path / name).write_text(f"{name}\n")
    for name, target in (("src/ln", "a"), ("lnf", "f"), ("lnd", "src"), ("dang", "nowhere")):
        (path / name).symlink_to(target)
    os.chown(path / "own", 33, 44)
    (path / "suid").chmod(0o4755)


def show_tree(path: Path) -> list[str]:
    """Return a line for everything below a directory."""
    lines = []
    for each in sorted(path.rglob("*")):
        status = each.lstat()
        content = str(each.readlink()) if each.is_symlink() else each.read_text() if each.is_file() else ""
        owner = f"{status.st_uid}:{status.st_gid}"
        lines.append(f"{each.relative_to(path)} {status.st_mode:o} {owner} {content.strip()}")
    return lines


def add_files(image_path: Path, archive_path: Path) -> None:
    """Give the image something to change."""
    (image_path / "etc/sub/deep").mkdir(parents=True)
    for name in ("etc/a", "etc/sub/b", "etc/sub/deep/c"):
        (image_path / name).write_text(name)
    subprocess.run(["tar", "-C", str(image_path), "-cf", str(archive_path), "."], check=True)


def main() -> int:
    """Compare; 1 when something differs that is not meant to."""
    outcomes: dict[str, Mapping[str, Outcome]] = {}
    with tempfile.TemporaryDirectory(
        prefix="hold-copies-", dir="/var/tmp", ignore_cleanup_errors=True
    ) as scratch:
        scratch_path = Path(scratch)
        archive_path = make_image_archive(scratch_path)
        add_files(scratch_path / "root", archive_path)
        for start in (docker, hold):
            with start(scratch_path, archive_path) as engine:
                outcomes[engine.name] = Trial(engine, scratch_path / "work").try_all()
    unmeant = 0
    for line, ours in outcomes["hold"].items():
        theirs = outcomes["Docker"][line]
        if (ours.succeeded, ours.shown) == (theirs.succeeded, theirs.shown):
            continue
        reason = ON_PURPOSE.get(line)
        unmeant += reason is None
        print(f"{line}: {reason or 'NOT MEANT'}")
        if reason is None:
            print(f"  hold:   {ours.told} {sorted(set(ours.shown) - set(theirs.shown))[:5]}")
            print(f"  Docker: {theirs.told} {sorted(set(theirs.shown) - set(ours.shown))[:5]}")
    print(f"{len(outcomes['hold'])} lines; {unmeant} differ and are not meant to")
    return 1 if unmeant else 0


if __name__ == "__main__":
    sys.exit(main())
