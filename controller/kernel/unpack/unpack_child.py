"""The child of `unpacker`: `python -m ... TARGET MOST_BYTES MOST_ENTRIES layer|tree [NEWS_FD]`.

Makes TARGET its root directory, and unpacks the archive that is its standard input; with NEWS_FD a file that grows, see
`inputs`. Prints a line: `unpacked`, the digest of the plain archive, bytes of all files, number of entries, 1 if the
archive had its end mark; or the kind of an error (invalid, exhausted, refused) and what follows the archive's name.
"""

import errno
import io
import os
import resource
import sys

from controller.kernel.unpack.entry import Entry
from controller.kernel.unpack.extract import DEEPEST_TREE, Extractor
from controller.kernel.unpack.inputs import GrowingFile, Packed
from controller.kernel.unpack.refusal import Hostile
from controller.kernel.unpack.streams import Ahead, Digest, Source
from controller.kernel.unpack.tar import TarReader
from controller.kernel.unpack.window import Window

_MOST_MEMORY_BYTES = 2 << 30
_MOST_FRAMES = 1000 + 2 * DEEPEST_TREE
"""Directories are made and removed by functions that call themselves."""
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
_ARCHIVES_FAULT = {errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.EINVAL, errno.EFBIG}


def unpack(source: Source, most_bytes: int, most_entries: int, *, as_layer: bool) -> str:
    """Unpack below the root directory and return what it came to."""
    digest = Digest()
    window = Window(digest.watch(iter(Ahead(source.read_plain(most_bytes, expansive=not as_layer)))))
    extractor = Extractor(window, most_bytes, as_layer=as_layer)
    reader = TarReader(window)
    entries = 0
    for entry in reader:
        entries += 1
        if entries > most_entries:
            raise Hostile(f"has more than {most_entries:,} entries, which --layer-max-entries allows")
        _extract(extractor, entry)
    extractor.finish()
    diff_id = digest.finish()
    return f"unpacked {diff_id} {extractor.size_bytes} {entries} {int(reader.ended)}"


def _extract(extractor: Extractor, entry: Entry) -> None:
    """Make one entry; Hostile names it when nothing can look like it."""
    try:
        extractor.extract(entry)
    except OverflowError as error:
        raise Hostile(f"entry {entry.describe()} has an owner or a time that no file can have") from error
    except OSError as error:
        if error.errno not in _ARCHIVES_FAULT:
            raise
        text = (error.strerror or str(error)).lower()
        raise Hostile(f"entry {entry.describe()} can't be made: {text}") from error


def main(target_path: str, most_bytes: int, most_entries: int, *, as_layer: bool, news_fd: int | None) -> str:
    """Unpack; errors come back as an answer too. What may have to be loaded is loaded before the root changes."""
    os.umask(0)
    sys.setrecursionlimit(_MOST_FRAMES)
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY_BYTES, _MOST_MEMORY_BYTES))
    try:
        source = Source(Packed(io.FileIO(0) if news_fd is None else GrowingFile(0, news_fd)))
        os.chroot(target_path)
        os.chdir("/")
        return unpack(source, most_bytes, most_entries, as_layer=as_layer)
    except Hostile as error:
        return f"invalid {error}"
    except MemoryError:
        return "invalid asks for more memory than an archive may have"
    except OSError as error:
        text = (error.strerror or str(error)).lower()
        if error.errno in _ARCHIVES_FAULT:
            return f"invalid has an entry that can't be made: {text}"
        return f"{'exhausted' if error.errno in _NO_SPACE else 'refused'} can't be unpacked: {text}"


if __name__ == "__main__":
    target, most_bytes, most_entries, use, *news = sys.argv[1:]
    answer = main(
        target,
        int(most_bytes),
        int(most_entries),
        as_layer=use == "layer",
        news_fd=int(news[0]) if news else None,
    )
    print(answer.replace("\n", " "), flush=True)
    os._exit(0)  # threads may be waiting for each other after an error
