"""Files of real containers: what the processes see, what is stopped, and nothing else, whatever links do meanwhile."""

import asyncio
import bz2
import ctypes
import gzip
import io
import json
import lzma
import os
import subprocess
import sys
import tarfile
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller.errors import HoldError, Invalid, NotFound, Refused
from controller.kernel.cgroups.cgroups import Cgroups
from controller.kernel.files.container_files import ChildFiles
from controller.kernel.processes.gates import Gates
from controller.kernel.subprocesses import Runner
from controller.model.wants import RootWant
from controller.ports.files import FilesPlace, PutWant, ShownMount
from tests.contract.containers import WEB, ContainerPorts, linux_containers
from tests.machine import wait_for

SECRET = b"of the host alone"
SWAPS = 3
RENAME_EXCHANGE = 2
AT_FDCWD = -100


class Desk:
    """A container's files, and the host's beside them."""

    def __init__(self, ports: ContainerPorts) -> None:
        self.ports = ports
        self.files = ChildFiles(
            layout=ports.layout,
            runner=Runner(),
            roots=ports.roots,
            cgroups=Cgroups.find(ports.layout.instance),
        )
        self.root = RootWant(uid=WEB, lower_paths=(ports.image_path,))
        self.base = Path(ports.image_path).parent
        self.merged = Path(ports.layout.merged_path(WEB))
        (self.base / "host").mkdir()
        (self.base / "host/secret").write_bytes(SECRET)

    def place(
        self, *, pid: int = 0, read_only: bool = False, mounts: tuple[ShownMount, ...] = ()
    ) -> FilesPlace:
        points = ("/data", "/dev", "/proc", "/sys", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf")
        return FilesPlace(root=self.root, pid=pid, read_only=read_only, mounts=mounts, mount_points=points)

    async def read(
        self, path: str, place: FilesPlace | None = None, *, follow: bool = False
    ) -> dict[str, bytes]:
        """Return the files in the archive of a path."""
        async with self.files.reading(place or self.place(), path, follow=follow) as found:
            return read_members(b"".join([chunk async for chunk in found.archive]))

    async def put(self, path: str, place: FilesPlace | None = None, **want: object) -> None:
        """Copy a file `note` to a path."""
        fields: dict[str, object] = {"path": path, "name": "note", **want}
        await self.files.put(place or self.place(), PutWant(**fields), stream(make_archive("note")))  # type: ignore[arg-type]


def read_members(archive: bytes) -> dict[str, bytes]:
    """Return the content of files, and where links lead."""
    found = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        for each in opened:
            file = opened.extractfile(each) if each.isreg() else None
            found[each.name] = file.read() if file is not None else each.linkname.encode()
    return found


def make_archive(name: str, *, uid: int = 1234) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        header = tarfile.TarInfo(name)
        header.size, header.uid, header.gid = 4, uid, uid
        archive.addfile(header, io.BytesIO(b"note"))
    return sink.getvalue()


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with linux_containers("", Gates()) as ports:
        desk = Desk(ports)
        await ports.roots.mount(desk.root)
        yield desk


async def test_what_a_running_container_sees_is_reached(desk: Desk) -> None:
    mounts = [{"type": "tmpfs", "target": "/memory"}]
    await desk.ports.run(WEB, mounts=mounts)
    facts = await desk.ports.processes.read(WEB)
    assert facts is not None
    place = desk.place(pid=facts.pid)
    await desk.put("/memory/", place)
    assert await desk.read("/memory/note", place) == {"note": b"note"}
    assert not (desk.merged / "memory/note").exists()
    await desk.ports.freezer.pause(WEB)
    assert await desk.read("/memory", place) == {"memory": b"", "memory/note": b"note"}
    await desk.ports.freezer.resume(WEB)
    with pytest.raises(Refused, match="note can't be written"):
        await desk.put("/proc/note", place)


async def test_a_stopped_container_shows_its_mounts(desk: Desk) -> None:
    volume = desk.base / "volume"
    (volume / "part").mkdir(parents=True)
    (volume / "way-out").symlink_to("../host")
    shown = (
        ShownMount(source=str(volume), target="/data", read_only=False),
        ShownMount(source=str(volume), target="/data/part/deep", read_only=False, subpath="part"),
        ShownMount(source=str(desk.base / "host"), target="/fixed", read_only=True),
        ShownMount(source=str(volume), target="/nothing", read_only=False, subpath="way-out"),
        ShownMount(source=str(desk.base / "missing"), target="/missing", read_only=False),
    )
    place = desk.place(mounts=shown)
    await desk.put("/data/note", place)
    await desk.put("/data/part/deep/", place)
    assert {path.name for path in volume.iterdir()} == {"note", "part", "way-out"}
    assert (volume / "part/note").exists()
    assert await desk.read("/fixed", place) == {"fixed": b"", "fixed/secret": SECRET}
    with pytest.raises(NotFound):
        await desk.read("/nothing", place)
    with pytest.raises(Refused, match="read-only"):
        await desk.put("/fixed/", place)
    with pytest.raises(Refused, match="read-only"):
        await desk.put("/etc/", desk.place(read_only=True))
    assert [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if "/data" in line] == []


async def test_files_belong_to_root_unless_told_otherwise(desk: Desk) -> None:
    await desk.put("/etc/plain")
    await desk.put("/etc/kept", keep_owner=True)
    owners = [(desk.merged / "etc" / name).stat().st_uid for name in ("plain", "kept")]
    assert owners == [0, 1234]


@pytest.mark.parametrize(
    ("path", "error", "told"),
    [
        ("/nope/note", NotFound, "the directory of /nope/note does not exist in the container"),
        ("/etc/passwd/", Invalid, "/etc/passwd/ is not a directory"),
        ("/etc/passwd/x", Invalid, "a part of /etc/passwd/x is not a directory in the container"),
        ("/etc/new/", NotFound, "/etc/new/ does not exist"),
    ],
)
async def test_what_cannot_be_put_is_told(desk: Desk, path: str, error: type[HoldError], told: str) -> None:
    with pytest.raises(error, match=told):
        await desk.put(path)


async def test_links_lead_nowhere_but_into_the_container(desk: Desk) -> None:
    (desk.merged / "absolute").symlink_to(desk.base / "host")
    (desk.merged / "climbing").symlink_to(f"{'../' * 20}{str(desk.base)[1:]}/host")
    (desk.merged / "inward").symlink_to("/etc")
    for name in ("absolute", "climbing"):
        with pytest.raises((NotFound, Invalid)):
            await desk.read(f"/{name}/secret")
        with pytest.raises(HoldError):
            await desk.put(f"/{name}/note")
        assert await desk.read(f"/{name}") == {name: os.fsencode((desk.merged / name).readlink())}
    await desk.put("/inward/")
    assert (desk.merged / "etc/note").exists()
    assert {path.name for path in (desk.base / "host").iterdir()} == {"secret"}


@contextmanager
def swapping(path: Path, target: str) -> Iterator[None]:
    """Let a directory be a link and a directory again, all the time."""
    link = path.with_name("swapped")
    link.symlink_to(target)
    ended, rename = threading.Event(), ctypes.CDLL(None).renameat2

    def swap() -> None:
        while not ended.is_set():
            assert rename(AT_FDCWD, os.fsencode(path), AT_FDCWD, os.fsencode(link), RENAME_EXCHANGE) == 0

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@pytest.mark.parametrize("climbs", [False, True])
async def test_no_race_of_links_leads_out(desk: Desk, climbs: bool) -> None:
    """The path's own parts, the entries of a tree that is read, and the parents of what is written are swapped."""
    host = desk.base / "host"
    box = desk.merged / "box"
    (box / "inner").mkdir(parents=True)
    (box / "inner/secret").write_bytes(b"of the container")
    target = f"{'../' * 20}{str(host)[1:]}" if climbs else str(host)
    seen: set[bytes] = set()
    with swapping(box / "inner", target):
        for number in range(SWAPS):
            for path in ("/box/inner/secret", "/box"):
                try:
                    seen.update((await desk.read(path)).values())
                except (NotFound, Invalid):
                    continue
            try:
                archive = make_archive(f"box/inner/deep{number}/note")
                want = PutWant(path="/box", name="box", is_directory=True, contents=True)
                await desk.files.put(desk.place(), want, stream(archive))
            except HoldError:
                continue
    assert b"of the container" in seen
    assert SECRET not in seen
    assert {path.name for path in host.iterdir()} == {"secret"}


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
async def test_no_program_of_the_container_is_loaded(desk: Desk, pack: Callable[[bytes], bytes]) -> None:
    """Everything that Python might look for lies in the container, and tells when it is found."""
    for folder in {each for each in sys.path if each}:
        (desk.merged / folder[1:]).mkdir(parents=True, exist_ok=True)
        for name in sys.stdlib_module_names:
            (desk.merged / folder[1:] / f"{name}.py").write_text("open('/loaded', 'w')")
    await desk.files.put(desk.place(), PutWant(path="/etc"), stream(pack(make_archive("note"))))
    assert await desk.read("/etc/note") == {"note": b"note"}
    with pytest.raises(Invalid, match="is none, or is broken"):
        await desk.files.put(desk.place(), PutWant(path="/etc"), stream(pack(b"x" * 5000)))
    assert not (desk.merged / "loaded").exists()


async def test_a_device_is_copied_but_never_opened(desk: Desk) -> None:
    os.mknod(desk.merged / "zero", 0o20666, os.makedev(1, 5))
    async with desk.files.reading(desk.place(), "/zero", follow=False) as found:
        archive = b"".join([chunk async for chunk in found.archive])
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        header = opened.getmember("zero")
    assert (header.ischr(), header.devmajor, header.devminor, len(archive) < 4096) == (True, 1, 5, True)


async def test_changes_and_the_layer_of_them(desk: Desk) -> None:
    merged = desk.merged
    (merged / "etc/group").unlink()
    (merged / "etc/passwd").write_text("changed")
    (merged / "bin/busybox").chmod(0o700)
    (merged / "new/sub").mkdir(parents=True)
    (merged / "new/sub/file").write_text("x")
    for name in ("etc/hosts", "etc/resolv.conf"):
        (merged / name).touch()
    (merged / "proc").mkdir()
    await asyncio.to_thread(_replace_directory, merged / "etc2", merged / "bin")
    changes = {(each.kind, each.path) for each in await desk.files.compare(desk.place())}
    assert changes >= {
        ("C", "/etc"), ("D", "/etc/group"), ("C", "/etc/passwd"), ("A", "/new"), ("A", "/new/sub"),
        ("A", "/new/sub/file"), ("C", "/bin"), ("D", "/bin/sh"), ("A", "/bin/only"),
    }  # fmt: skip
    assert not {path for _, path in changes} & {"/proc", "/etc/hosts", "/etc/resolv.conf"}
    async with desk.files.packing(desk.place()) as layer:
        members = read_members(b"".join([chunk async for chunk in layer]))
    assert {"etc/.wh.group", "etc/passwd", "new/sub/file", "bin/.wh..wh..opq", "bin/only"} <= members.keys()
    assert not {"etc/group", "proc", "etc/hosts", "bin/sh"} & members.keys()
    assert (await desk.files.measure([WEB]))[WEB] == len("changed") + len("x") + len("only")


def _replace_directory(spare: Path, path: Path) -> None:
    """Remove a directory of the image and make it anew, which overlayfs marks as opaque."""
    for each in path.iterdir():
        each.unlink()
    path.rmdir()
    spare.mkdir()
    spare.rmdir()
    path.mkdir()
    (path / "only").write_text("only")


async def test_names_may_be_any_bytes(desk: Desk) -> None:
    Path(os.fsdecode(os.fsencode(desk.merged / "etc") + b"/odd-\xff")).write_bytes(b"odd")
    assert ("A", "/etc/odd-\\xff") in {
        (each.kind, each.path) for each in await desk.files.compare(desk.place())
    }
    assert (await desk.read("/etc"))[os.fsdecode(b"etc/odd-\xff")] == b"odd"


async def test_all_of_it_is_exported(desk: Desk) -> None:
    async with desk.files.exporting(desk.place()) as archive:
        members = read_members(b"".join([chunk async for chunk in archive]))
    assert members["etc/passwd"].startswith(b"root:")
    assert members["bin/sh"].endswith(b"busybox")


async def test_a_reader_that_goes_away_ends_the_work(desk: Desk) -> None:
    (desk.merged / "large").write_bytes(b"x" * (8 << 20))
    async with desk.files.reading(desk.place(), "/large", follow=False) as found:
        assert await anext(found.archive)
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    assert children.split() == []


@pytest.fixture
def open_path() -> Iterator[Path]:
    """A directory that every user may look into."""
    with tempfile.TemporaryDirectory(dir="/run") as path:
        Path(path).chmod(0o755)
        yield Path(path)


@pytest.fixture
def remapped() -> Iterator[subprocess.Popen[bytes]]:
    """A process whose users 0 to 999 are 100000 to 100999 of the host, on the host's root."""
    with subprocess.Popen(["unshare", "--user", "cat"], stdin=subprocess.PIPE) as process:
        proc = Path(f"/proc/{process.pid}")
        own = Path("/proc/self/ns/user").stat().st_ino
        wait_for(lambda: (proc / "ns/user").stat().st_ino != own, "the namespace")
        for name in ("uid_map", "gid_map"):
            (proc / name).write_text("0 100000 1000")
        yield process
        process.kill()


def test_in_a_user_namespace_owners_are_its_own(remapped: subprocess.Popen[bytes], open_path: Path) -> None:
    inside, outside = open_path / "inside", open_path / "outside"
    for path, uid in ((inside, 100_000), (outside, 0)):
        path.mkdir()
        os.chown(path, uid, uid)

    user_fd = os.open(f"/proc/{remapped.pid}/ns/user", os.O_RDONLY)

    def put(path: Path, *, keep_owner: bool) -> tuple[int, str]:
        job = {
            "operation": "write",
            "path": str(path),
            "source": ["note", False, False],
            "keep_owner": keep_owner,
            "root": {
                "path": f"/proc/{remapped.pid}/root",
                "read_only": False,
                "shown": [],
                "mapping": None,
                "user_fd": user_fd,
            },
        }
        program = "controller.kernel.files.container_files_child"
        command = [sys.executable, "-I", "-m", program, json.dumps(job)]
        archive = make_archive("note", uid=5)
        answer = subprocess.run(command, input=archive, capture_output=True, check=False, pass_fds=(user_fd,))
        return answer.returncode, answer.stderr.decode()

    assert put(inside, keep_owner=False) == (0, "")
    assert put(inside / "kept", keep_owner=True) == (0, "")
    assert [(inside / name).stat().st_uid for name in ("note", "kept")] == [100_000, 100_005]
    code, told = put(outside, keep_owner=False)
    os.close(user_fd)
    assert (code, "permission denied" in told) == (3, True)


async def test_a_stopped_remapped_container_keeps_its_own_numbers(desk: Desk) -> None:
    base = 200_000
    await desk.ports.roots.unmount(WEB)
    desk.root = RootWant(uid=WEB, lower_paths=(desk.ports.image_path,), id_base=base)
    volume = desk.base / "volume"
    volume.mkdir()
    place = desk.place(mounts=(ShownMount(source=str(volume), target="/data", read_only=False),))
    await desk.put("/etc/plain", place)
    await desk.put("/etc/kept", place, keep_owner=True)
    await desk.put("/data/note", place)
    owners = [(desk.merged / "etc" / name).stat().st_uid for name in ("plain", "kept", "passwd")]
    assert owners == [base, base + 1234, base]
    assert (volume / "note").stat().st_uid == 0
    async with desk.files.exporting(place) as archive:
        exported = read_owners(b"".join([chunk async for chunk in archive]))
    async with desk.files.packing(place) as layer:
        packed = read_owners(b"".join([chunk async for chunk in layer]))
    assert (exported["etc/passwd"], exported["etc/kept"]) == (0, 1234)
    assert {name: packed[name] for name in ("etc", "etc/plain", "etc/kept")} == {
        "etc": 0,
        "etc/plain": 0,
        "etc/kept": 1234,
    }
    changes = [(each.kind, each.path) for each in await desk.files.compare(place)]
    assert changes == [("C", "/etc"), ("A", "/etc/kept"), ("A", "/etc/plain")]


def read_owners(archive: bytes) -> dict[str, int]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        return {each.name: each.uid for each in opened}
