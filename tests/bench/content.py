"""What engines do with a large image, each on a fresh file system: load, save, push, remove, pull."""

import contextlib
import functools
import os
import shutil
import socket
import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from tests.bench.big_image import BIG_IMAGE, BigImage, make_big_image
from tests.bench.commands import run, time_s, wait_until
from tests.bench.engines import Engine, started
from tests.bench.measures import Rows
from tests.bench.unpacking import StoreUnpacking, unpack_by_programs

Start = Callable[[Path, Path], AbstractContextManager[Engine]]

LOAD = "load a large image"
SAVE = "save a large image"
PUSH = "push a large image"
REMOVE = "remove a large image"
PULL = "pull a large image"
PULL_AGAIN = "pull an image whose layers are there"
PULL_FURTHER = "pull an image that shares its large layers"
PULL_OWN_DISK = "pull a large image, on the machine's own disk"
UNPACK = "unpack the layers alone, digests checked"
UNPACK_FLOOR = "unpack the layers by igzip -dc \\| tar -x"
OWN_DISK = ", on the machine's own disk"
_REGISTRY = "127.0.0.1:5055"
_SIZE_BYTES = 12 << 30
_ANSWER_S = 0.05
_TURNS = 3


@contextlib.contextmanager
def fresh_file_system(scratch_path: Path) -> Iterator[Path]:
    """Mount a new ext4 on a loop device for the length of the block."""
    image_path, target_path = scratch_path / "ext4", scratch_path / "fresh"
    with image_path.open("wb") as file:
        file.truncate(_SIZE_BYTES)
    run(["mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(image_path)])
    target_path.mkdir(exist_ok=True)
    run(["mount", "-o", "loop", str(image_path), str(target_path)])
    try:
        yield target_path
    finally:
        run(["umount", "-R", str(target_path)])
        image_path.unlink()


@contextlib.contextmanager
def registry(scratch_path: Path) -> Iterator[None]:
    """Run Debian's docker-registry on loopback."""
    config_path = scratch_path / "registry.yml"
    config_path.write_text(
        "version: 0.1\nlog: {level: error}\nstorage:\n"
        f"  filesystem: {{rootdirectory: {scratch_path}/registry}}\nhttp: {{addr: {_REGISTRY}}}\n"
    )
    with started(["docker-registry", "serve", str(config_path)], scratch_path / "registry.log"):
        wait_until(_answers, "docker-registry", interval_s=_ANSWER_S)
        yield


def _answers() -> bool:
    host, _, port = _REGISTRY.partition(":")
    with socket.socket() as client:
        return client.connect_ex((host, int(port))) == 0


def measure_moves(engine: Engine, image: BigImage, scratch_path: Path) -> Rows:
    """Return the rows of an image that comes by an archive. It stays in the registry, under the engine's name."""
    name = f"{_REGISTRY}/{engine.name.lower()}:1"
    saved_path = scratch_path / "saved.tar"
    rows: Rows = {LOAD: _time_s(lambda: engine.run("load", "-q", "-i", str(image.archive_path)))}
    rows[SAVE] = _time_s(lambda: engine.run("save", "-o", str(saved_path), BIG_IMAGE))
    saved_path.unlink()
    engine.run("tag", BIG_IMAGE, name)
    rows[PUSH] = _time_s(lambda: engine.run("push", *engine.registry_options, name))
    _push_further(engine, scratch_path)
    engine.run("rmi", name)
    rows[REMOVE] = _time_s(lambda: engine.run("rmi", BIG_IMAGE))
    return rows


def _push_further(engine: Engine, scratch_path: Path) -> None:
    """Push an image of one small layer more."""
    name = f"{_REGISTRY}/{engine.name.lower()}:further"
    note_path = scratch_path / "note"
    note_path.write_text("one more file\n")
    engine.run("create", "--name", "further", BIG_IMAGE, "true")
    engine.run("cp", str(note_path), "further:/note")
    engine.run("commit", "further", name)
    engine.run("push", *engine.registry_options, name)
    engine.run("rm", "further")
    engine.run("rmi", name)


def measure_pulls(engine: Engine, source: str) -> Rows:
    """Return the rows of the images that `source`, an engine's name, has pushed."""
    rows = {PULL: _time_pull_s(engine, source, "1"), PULL_AGAIN: _time_pull_s(engine, source, "1")}
    return {**rows, PULL_FURTHER: _time_pull_s(engine, source, "further")}


def _time_pull_s(engine: Engine, source: str, tag: str) -> float:
    name = f"{_REGISTRY}/{source.lower()}:{tag}"
    return _time_s(lambda: engine.run("pull", "-q", *engine.registry_options, name))


def _time_s(body: Callable[[], object]) -> float:
    """Return the time of one call; what earlier ones have left to write is written before."""
    os.sync()
    return time_s(body)


def measure_contents(starts: tuple[Start, ...], archive_path: Path, scratch_path: Path) -> dict[str, Rows]:
    """Return the rows of every engine, each of which begins on a file system of its own; the first one is hold."""
    image = make_big_image(scratch_path)
    results: dict[str, Rows] = {}
    with registry(scratch_path):
        for start in starts:
            with fresh_file_system(scratch_path) as path, start(path, archive_path) as engine:
                print(f"measuring {engine.name} with a large image", file=sys.stderr)
                results[engine.name] = measure_moves(engine, image, scratch_path)
        source = next(iter(results))
        for start in starts:
            with fresh_file_system(scratch_path) as path, start(path, archive_path) as engine:
                results[engine.name] |= measure_pulls(engine, source)
        for start in starts:
            with _own_disk(scratch_path) as path, start(path, archive_path) as engine:
                results[engine.name] |= {PULL_OWN_DISK: _time_pull_s(engine, source, "1")}
    rows = _measure_unpacking(image, lambda: fresh_file_system(scratch_path))
    own_rows = _measure_unpacking(image, lambda: _own_disk(scratch_path))
    results[source] |= rows | {f"{name}{OWN_DISK}": value for name, value in own_rows.items()}
    return results


@contextlib.contextmanager
def _own_disk(scratch_path: Path) -> Iterator[Path]:
    """Give an empty directory, a mount of its own, so that all below goes with it."""
    path = scratch_path / "own"
    path.mkdir()
    run(["mount", "--bind", str(path), str(path)])
    try:
        yield path
    finally:
        run(["umount", "-R", str(path)])
        shutil.rmtree(path)


def _measure_unpacking(image: BigImage, make_place: Callable[[], AbstractContextManager[Path]]) -> Rows:
    """Return medians of three turns, taken in turns, each in a place of its own."""
    own_s: list[float] = []
    floor_s: list[float] = []
    for _ in range(_TURNS):
        with make_place() as path:
            floor_s.append(_time_s(functools.partial(unpack_by_programs, image, path)))
        with make_place() as path:
            own_s.append(_time_s(StoreUnpacking(image, path).run))
    return {UNPACK: statistics.median(own_s), UNPACK_FLOOR: statistics.median(floor_s)}
