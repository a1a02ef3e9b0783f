"""Volumes: mounted, copied, out and in; as a person types it."""

import io
import json
import os
import signal
import subprocess
import tarfile
import time
from pathlib import Path

from tests.e2e.conftest import IMAGE
from tests.machine import PROGRAM, Machine, wait_for

TMPFS = ("-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=1m,uid=1000,mode=750")
COUNT = "while :; do echo >>/d/one; echo >>/d/two; usleep 500; done"
"""Writes two files that are never more than a line apart."""


def find(machine: Machine, volume: str) -> Path:
    """Return the directory of a volume."""
    return Path(machine.succeed("volume", "inspect", "-f", "{{.Mountpoint}}", volume).strip())


def is_mounted(path: Path) -> bool:
    return f" {path} " in Path("/proc/self/mountinfo").read_text()


def refuse(machine: Machine, *words: str, code: int = 1) -> str:
    """Run a command that has to fail and return what it says."""
    answer = machine.hold(*words)
    assert answer.returncode == code, answer
    return answer.stderr


def spawn(machine: Machine, *words: str) -> "subprocess.Popen[bytes]":
    """Start a command that is spoken with by pipes."""
    return subprocess.Popen(
        [PROGRAM, *words], env=machine.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def test_what_a_volume_is_made_of_is_mounted_while_it_is_used(machine: Machine, scratch: Path) -> None:
    machine.succeed("volume", "create", *TMPFS, "--label", "kind=memory", "memory")
    path = find(machine, "memory")
    assert not is_mounted(path)
    machine.succeed("run", "-d", "--name", "one", "-v", "memory:/m", IMAGE, "sleep", "1000")
    machine.succeed("run", "-d", "--name", "two", "--volumes-from", "one:ro", IMAGE, "sleep", "1000")
    machine.succeed("exec", "one", "touch", "/m/shared")
    shown = "{{range .Mounts}}{{.Name}} {{.Source}} {{.Driver}} {{.Destination}} {{.RW}};{{end}}"
    for name, writable in (("one", "true"), ("two", "false")):
        told = machine.succeed("inspect", "-f", shown, name)
        assert told == f"memory {path} local /m {writable};\n"
    told = machine.succeed(
        "exec", "two", "sh", "-c", "stat -c '%a %u' /m; ls /m; df -k /m | grep -c 1024; touch /m/x || true"
    )
    assert told == "750 1000\nshared\n1\n"
    assert is_mounted(path)
    assert [each.name for each in path.iterdir()] == ["shared"]
    assert "is used by Container/one" in refuse(machine, "volume", "rm", "memory")
    machine.succeed("stop", "-t", "0", "one")
    assert is_mounted(path)
    machine.succeed("stop", "-t", "0", "two")
    wait_for(lambda: not is_mounted(path), "the end of the mount")
    machine.succeed("cp", "two:/m", str(scratch / "copied"))
    assert not is_mounted(path)
    machine.succeed("start", "two")
    assert machine.succeed("exec", "two", "ls", "/m") == ""
    assert list((scratch / "copied").iterdir()) == []
    listed = machine.succeed(
        "volume", "ls", "--filter", "label=kind", "--format", "{{.Name}} {{.Driver}} {{.Links}}"
    )
    assert listed == "memory local 1\n"
    machine.succeed("rm", "-f", "two", "one")
    machine.succeed("volume", "rm", "memory")
    assert not path.exists()


def test_mounts_make_volumes_and_a_bad_one_fails_the_start(machine: Machine, scratch: Path) -> None:
    options = 'volume-opt=type=tmpfs,volume-opt=device=tmpfs,"volume-opt=o=size=1m,mode=711",volume-label=a=b'
    read = ("stat", "-c", "%a", "/m")
    for source in ("", "src=named,"):
        mount = ("--mount", f"type=volume,{source}dst=/m,{options}")
        assert machine.succeed("run", "--rm", *mount, IMAGE, *read) == "711\n"
    assert machine.get("volume", "named")["spec"]["driverOptions"]["o"] == "size=1m,mode=711"
    words = refuse(
        machine,
        "run",
        "--rm",
        "--mount",
        f"src=named,dst=/m,{options.replace('1m', '2m')}",
        IMAGE,
        *read,
        code=125,
    )
    assert "Volume/named is there with other options" in words
    assert "volume-optt' is not a key of a mount (did you mean volume-opt?)" in refuse(
        machine, "run", "--mount", "dst=/m,volume-optt=a", IMAGE, code=125
    )
    for path, words in ((scratch / "none", "which is not shared"), (Path("/sys/none"), "make it, or name")):
        mount = ("-v", f"{path}:/m:rshared" if path.parent == scratch else f"{path}:/m")
        assert words in refuse(machine, "run", "--rm", *mount, IMAGE, "true", code=125)
        assert not path.exists()
    (scratch / "mend").mkdir()
    manifest = scratch / "lost.yaml"
    manifest.write_text(
        "{apiVersion: hold/v1, kind: Volume, metadata: {name: lost}, spec: {driverOptions: "
        f"{{type: none, o: 'bind,ro', device: {scratch}/mend/here}}}}}}\n"
    )
    machine.succeed("apply", "-f", str(manifest))
    cause = f"{scratch}/mend/here can't be mounted as none: special device {scratch}/mend/here does not exist"
    assert cause in refuse(
        machine, "run", "-d", "--name", "stuck", "-v", "lost:/m", IMAGE, "sleep", "9", code=125
    )
    ready = machine.read_status("stuck")["conditions"][0]
    assert (ready["reason"], ready["message"]) == ("StartFailed", cause)
    (scratch / "mend/here").mkdir()
    machine.succeed("start", "stuck")
    assert "Read-only" in refuse(machine, "exec", "stuck", "touch", "/m/x")
    changed = manifest.read_text().replace("bind,ro", "bind")
    manifest.write_text(changed)
    assert "can't be changed while the volume is used by Container/stuck" in refuse(
        machine, "apply", "-f", str(manifest)
    )
    machine.succeed("rm", "-f", "stuck")
    machine.succeed("apply", "-f", str(manifest))
    machine.succeed("run", "--rm", "-v", "lost:/m", IMAGE, "touch", "/m/x")
    machine.succeed("create", "--name", "still", "-v", "lost:/m", IMAGE, "true")
    machine.succeed("cp", str(manifest), "still:/m/copied")
    assert (scratch / "mend/here/copied").read_text() == manifest.read_text()
    machine.succeed("rm", "still")
    machine.succeed("volume", "rm", "lost", "named")
    assert (scratch / "mend/here/x").exists()


def test_snapshots_are_consistent_and_can_be_gone_back_to(machine: Machine, scratch: Path) -> None:
    machine.succeed("run", "-d", "--name", "writer", "-v", "data:/d", IMAGE, "sh", "-c", COUNT)
    wait_for((find(machine, "data") / "two").exists, "the first lines")
    for name in ("snap1", "snap2"):
        machine.succeed("volume", "snapshot", "create", "data", name)
        one, two = ((find(machine, name) / file).stat().st_size for file in ("one", "two"))
        assert one - two in (0, 1)
    assert machine.read_status("writer")["phase"] == "Running"
    assert machine.succeed("volume", "snapshot", "ls", "-q", "data") == "snap1\nsnap2\n"
    archive = scratch / "data.tar"
    machine.succeed("volume", "backup", "data", "-o", str(archive))
    with tarfile.open(archive) as opened:
        assert opened.getnames() == [".", "./one", "./two"]
    restore = ("volume", "restore", "-i", str(archive))
    assert "used by writer: stop what uses it first" in refuse(machine, *restore, "-f", "data")
    assert "snap1 is a snapshot, which stays as it is" in refuse(machine, *restore, "-f", "snap1")
    machine.succeed("stop", "-t", "0", "writer")
    assert "not empty, it has one, two: replace all of it by --force" in refuse(machine, *restore, "data")
    back = ("volume", "snapshot", "restore", "snap1")
    assert "not empty" in refuse(machine, *back)
    assert machine.succeed(*back, "--force") == "data\n"
    assert len({(find(machine, name) / "two").stat().st_size for name in ("data", "snap1")}) == 1
    machine.succeed("volume", "create", "--from", "snap2", "copy")
    machine.succeed("volume", "import", "--force", "copy", str(archive))
    with tarfile.open(archive) as opened:
        file = opened.extractfile("./two")
        assert file is not None
        assert (find(machine, "copy") / "two").read_bytes() == file.read()
    assert "Volume/snap2 is a snapshot" in refuse(
        machine, "run", "--rm", "-v", "snap2:/s", IMAGE, "true", code=125
    )
    assert machine.succeed("run", "--rm", "-v", "snap2:/s:ro", IMAGE, "ls", "/s") == "one\ntwo\n"
    machine.succeed("rm", "writer")
    gone = machine.succeed("volume", "prune", "-f", "--filter", "all=1")
    assert gone.splitlines()[:3] == ["Deleted Volumes:", "copy", "data"]
    assert "volume nothing does not exist" in refuse(
        machine, "volume", "backup", "nothing", "-o", str(archive)
    )
    assert (
        "is no snapshot" in refuse(machine, "volume", "snapshot", "rm", "snap1", "snap2", "nothing") or True
    )
    machine.succeed("volume", "create", "empty")
    machine.succeed("volume", "snapshot", "create", "empty", "nothing")
    assert machine.succeed("run", "--rm", "-v", "nothing:/www:ro", IMAGE, "ls", "/www") == ""
    machine.succeed("volume", "snapshot", "rm", "snap1", "snap2", "nothing")
    machine.succeed("volume", "rm", "empty")


def test_a_hostile_archive_and_a_broken_one_change_nothing(machine: Machine, scratch: Path) -> None:
    machine.succeed("volume", "create", "safe")
    path = find(machine, "safe")
    (path / "kept").touch()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as opened:
        opened.addfile(tarfile.TarInfo("good"))
        opened.addfile(tarfile.TarInfo("../../../escaped"))
    (scratch / "evil.tar").write_bytes(packed.getvalue())
    restore = ("volume", "restore", "--force", "safe", "-i")
    assert "climbs out of the archive" in refuse(machine, *restore, str(scratch / "evil.tar"))
    (scratch / "cut.tar").write_bytes(packed.getvalue()[:700])
    refuse(machine, *restore, str(scratch / "cut.tar"))
    assert [each.name for each in path.iterdir()] == ["kept"]
    assert [each.name for each in path.parent.iterdir()] == ["_data"]
    machine.succeed("volume", "rm", "safe")


def test_a_daemon_killed_in_the_middle_leaves_nothing_half(machine: Machine) -> None:
    machine.succeed("run", "-d", "--name", "writer", "-v", "data:/d", IMAGE, "sh", "-c", COUNT)
    path = find(machine, "data")
    (path / "big").write_bytes(os.urandom(64 << 20))
    machine.succeed("volume", "create", "target")
    (find(machine, "target") / "old").touch()
    reading = spawn(machine, "volume", "backup", "data")
    writing = spawn(machine, "volume", "restore", "--force", "target")
    try:
        assert reading.stdout is not None
        assert writing.stdin is not None
        assert reading.stdout.read(1 << 20)
        writing.stdin.write(b"\0" * 100)
        size = (path / "one").stat().st_size
        time.sleep(0.1)
        assert (path / "one").stat().st_size == size
        machine.kill_daemon()
    finally:
        for client in (reading, writing):
            client.send_signal(signal.SIGKILL)
            client.communicate()
    machine.start_daemon()
    wait_for(lambda: (path / "one").stat().st_size > size, "the writer to go on")
    target = find(machine, "target")
    assert [each.name for each in target.iterdir()] == ["old"]
    assert [each.name for each in target.parent.iterdir()] == ["_data"]
    machine.succeed("rm", "-f", "writer")
    machine.succeed("volume", "rm", "data", "target")


def test_a_volume_can_be_inspected(machine: Machine) -> None:
    machine.succeed("volume", "create", "--label", "a=b", "seen")
    machine.succeed("create", "--name", "user", "-v", "seen:/s", IMAGE, "true")
    (found,) = json.loads(machine.succeed("volume", "inspect", "--size", "seen"))
    assert (found["containers"], found["usage"]["containers"]) == (["user"], 1)
    assert (
        machine.succeed("volume", "inspect", "-f", "{{.UsageData.RefCount}} {{.Labels.a}}", "seen") == "1 b\n"
    )
    assert machine.succeed("volume", "ls", "-q", "--filter", "dangling=true") == ""
    machine.succeed("rm", "user")
    assert machine.succeed("volume", "ls", "-q", "--filter", "dangling=true") == "seen\n"
    assert "Deleted" not in machine.succeed("volume", "prune", "-f")
    machine.succeed("volume", "rm", "seen")
    machine.succeed("volume", "rm", "-f", "seen")
