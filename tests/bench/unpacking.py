"""Layers unpacked by the content store alone, and by the fastest programs that there are for it."""

import asyncio
import hashlib
import json
import subprocess
from pathlib import Path

from controller.images.descriptors import OCI_LAYER, Descriptor
from controller.images.documents import derive_chain_ids
from controller.images.imports import read_file
from controller.images.store import ImageStore
from controller.kernel.subprocesses import Runner
from controller.kernel.unpack.unpacker import ChrootUnpacker, UnpackLimits
from controller.model.layout import Layout
from tests.bench.big_image import BigImage


def unpack_by_programs(image: BigImage, target_path: Path) -> None:
    """Unpack the layers at the same time, each by `igzip -dc | tar -x`: no digests, nothing kept."""
    processes = []
    for index, layer_path in enumerate(image.layer_paths):
        folder_path = target_path / str(index)
        folder_path.mkdir()
        command = f"igzip -dc '{layer_path}' | tar -x -C '{folder_path}'"
        processes.append(subprocess.Popen(["bash", "-o", "pipefail", "-c", command]))
    for process in processes:
        if process.wait() != 0:
            raise subprocess.CalledProcessError(process.returncode, process.args)


class StoreUnpacking:
    """The same layers taken in by hold's store, as a pull does; `run` is what is to be timed."""

    def __init__(self, image: BigImage, target_path: Path) -> None:
        layout = Layout(root_path=str(target_path), run_path=str(target_path), instance="bench")
        limits = UnpackLimits(most_bytes=1 << 40, most_entries=1_000_000)
        self._unpacker = ChrootUnpacker(runner=Runner(), limits=limits)
        self._layout = layout
        self._layer_paths = image.layer_paths
        config = json.loads((image.archive_path.parent / "config.json").read_bytes())
        self._diff_ids = tuple(config["rootfs"]["diff_ids"])
        self._descriptors = [_describe(path) for path in image.layer_paths]

    def run(self) -> None:
        """Take the layers in."""
        asyncio.run(self._run())

    async def _run(self) -> None:
        store = ImageStore(layout=self._layout, unpacker=self._unpacker, boot_id="bench")
        await store.open()
        chain_ids = derive_chain_ids(self._diff_ids)
        layers = zip(self._descriptors, self._diff_ids, chain_ids, self._layer_paths, strict=True)
        with store.lease():
            async with asyncio.TaskGroup() as tasks:
                for layer in layers:
                    tasks.create_task(_put(store, *layer))


async def _put(store: ImageStore, descriptor: Descriptor, diff_id: str, chain_id: str, path: Path) -> None:
    await store.layers.put(descriptor, diff_id=diff_id, chain_id=chain_id, chunks=read_file(path))


def _describe(path: Path) -> Descriptor:
    with path.open("rb") as file:
        digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    return Descriptor(media_type=f"{OCI_LAYER}+gzip", digest=digest, size_bytes=path.stat().st_size)
