"""Takes archives apart in a child that is confined to the directory they go to: `ChrootUnpacker(runner=...)`."""

import json
import sys
from pathlib import Path
from typing import Any

from controller.errors import Damaged, Exhausted, Invalid, NotFound, Refused
from controller.kernel.subprocesses import Completed, Runner
from controller.ports import Unpacked

_CHILD = "controller.kernel.unpack_child"
_TIMEOUT_S = 3600.0
_ERRORS = {"invalid": Invalid, "exhausted": Exhausted, "refused": Refused}


class ChrootUnpacker:
    """Implements `controller.ports.Unpacker`.

    The child changes its root to the target directory before it reads the first entry, so that no name in the archive
    can mean anything outside of it.
    """

    def __init__(self, *, runner: Runner) -> None:
        self._runner = runner

    async def unpack(self, archive_path: str, target_path: str) -> Unpacked:
        """See Unpacker."""
        if not Path(archive_path).is_file():  # noqa: ASYNC240  a single stat
            raise NotFound(f"archive {archive_path} does not exist")
        completed = await self._runner.capture(
            sys.executable, "-I", "-m", _CHILD, archive_path, target_path, timeout_s=_TIMEOUT_S
        )
        answer = _read_answer(completed, archive_path)
        return Unpacked(diff_id=answer["diff_id"], size_bytes=answer["size"], entries=answer["entries"])

    async def pack(self, directory_path: str, archive_path: str) -> None:
        """See Unpacker."""
        if not Path(directory_path).is_dir():  # noqa: ASYNC240  a single stat
            raise NotFound(f"directory {directory_path} does not exist")
        options = ("--sort=name", "--numeric-owner", "--xattrs", "--one-file-system")
        await self._runner.run(
            "tar", *options, "-C", directory_path, "-cf", archive_path, ".", timeout_s=_TIMEOUT_S
        )


def _read_answer(completed: Completed, archive_path: str) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = json.loads(completed.stdout)
    except ValueError as error:
        detail = completed.stderr.strip().splitlines()[-1:] or [f"exit code {completed.code}"]
        raise Refused(f"{archive_path} can't be unpacked: {detail[0]}") from error
    if "error" in answer:
        raise _ERRORS.get(answer["error"], Damaged)(f"{archive_path}: {answer['message']}")
    return answer
