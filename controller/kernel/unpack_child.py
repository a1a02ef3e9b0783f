"""The child of `unpacker`: `python -m ... TARGET MOST_BYTES MOST_ENTRIES layer|tree`, with an archive as its standard input.

Makes TARGET its root directory, and unpacks. Prints one JSON object: what was unpacked, or an `error` (invalid,
exhausted, refused) with its message.
"""

import errno
import io
import json
import os
import resource
import sys
from typing import Any

from controller.kernel.unpack.extract import Extractor
from controller.kernel.unpack.refusal import Hostile
from controller.kernel.unpack.streams import Ahead, Digest, Source
from controller.kernel.unpack.tar import TarReader
from controller.kernel.unpack.window import Window

_MOST_MEMORY_BYTES = 2 << 30
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
_ARCHIVES_FAULT = {errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.EINVAL, errno.EFBIG}


def unpack(source: Source, most_bytes: int, most_entries: int, *, as_layer: bool) -> dict[str, Any]:
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
        extractor.extract(entry)
    extractor.finish()
    diff_id = digest.finish()
    return {"diff_id": diff_id, "size": extractor.size_bytes, "entries": entries, "ended": reader.ended}


def main(target_path: str, most_bytes: int, most_entries: int, *, as_layer: bool) -> dict[str, Any]:
    """Unpack; errors come back as an answer too. What may have to be loaded is loaded before the root changes."""
    os.umask(0)
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY_BYTES, _MOST_MEMORY_BYTES))
    try:
        source = Source(io.BufferedReader(io.FileIO(0), 1 << 20))
        os.chroot(target_path)
        os.chdir("/")
        return unpack(source, most_bytes, most_entries, as_layer=as_layer)
    except Hostile as error:
        return {"error": "invalid", "message": str(error)}
    except MemoryError:
        return {"error": "invalid", "message": "asks for more memory than an archive may have"}
    except OSError as error:
        text = (error.strerror or str(error)).lower()
        if error.errno in _ARCHIVES_FAULT:
            return {"error": "invalid", "message": f"has an entry that can't be made: {text}"}
        kind = "exhausted" if error.errno in _NO_SPACE else "refused"
        return {"error": kind, "message": f"can't be unpacked: {text}"}


if __name__ == "__main__":
    target, *numbers, use = sys.argv[1:]
    most = [int(number) for number in numbers]
    print(json.dumps(main(target, most[0], most[1], as_layer=use == "layer")), flush=True)
    os._exit(0)  # threads may be waiting for each other after an error
