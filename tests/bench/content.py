"""What engines do with a large image, each on a fresh file system: load, save, push, remove, pull."""

import contextlib
import functools
import os
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
UNPACK = "unpack the layers alone, digests checked"
UNPACK_FLOOR = "unpack the layers by igzip -dc \\| tar -x"
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
    engine.run("rmi", name)
    rows[REMOVE] = _time_s(lambda: engine.run("rmi", BIG_IMAGE))
    return rows


def measure_pulls(engine: Engine, source: str) -> Rows:
    """Return the rows of the image that `source`, an engine's name, has pushed."""
    name = f"{_REGISTRY}/{source.lower()}:1"
    pull = ("pull", "-q", *engine.registry_options, name)
    return {PULL: _time_s(lambda: engine.run(*pull)), PULL_AGAIN: _time_s(lambda: engine.run(*pull))}


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
    results[source] |= _measure_unpacking(image, scratch_path)
    return results


def _measure_unpacking(image: BigImage, scratch_path: Path) -> Rows:
    """Return medians of three turns, taken in turns."""
    own_s: list[float] = []
    floor_s: list[float] = []
    for _ in range(_TURNS):
        with fresh_file_system(scratch_path) as path:
            floor_s.append(_time_s(functools.partial(unpack_by_programs, image, path)))
        with fresh_file_system(scratch_path) as path:
            own_s.append(_time_s(StoreUnpacking(image, path).run))
    return {UNPACK: statistics.median(own_s), UNPACK_FLOOR: statistics.median(floor_s)}
