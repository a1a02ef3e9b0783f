"""Texts that live containers see as files, changed under them: `BundleTexts(layout=...)`."""

import asyncio
import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from controller.kernel.processes.bundles import Bundle
from controller.kernel.translation import translated
from controller.model.ids import Uid
from controller.model.layout import Layout
from controller.plan.oci.files import derive_texts_digest


class BundleTexts:
    """Implements `controller.ports.Texts`."""

    def __init__(self, *, layout: Layout) -> None:
        self._layout = layout

    async def rewrite(self, uid: Uid, files: Sequence[tuple[str, str]]) -> None:
        """Write new texts into the files that the container's process has mounted; nothing when there is none."""
        with translated(f"files of {uid}"):
            await asyncio.to_thread(self._rewrite, Bundle(self._layout, uid), files)

    def _rewrite(self, bundle: Bundle, files: Sequence[tuple[str, str]]) -> None:
        origin = bundle.read_origin()
        if origin is None:
            return
        for name, text in files:
            _overwrite(bundle.path / name, text.encode())
        bundle.write_origin(dataclasses.replace(origin, texts=derive_texts_digest(files)))


def _overwrite(path: Path, data: bytes) -> None:
    """Change a file without replacing it: what is mounted is this very file. Readers never find it empty."""
    with path.open("r+b") as file:
        if file.read() != data:
            os.pwrite(file.fileno(), data, 0)
            file.truncate(len(data))
