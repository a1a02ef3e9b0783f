"""What the kernel's error numbers mean to the caller."""

import contextlib
import errno
from collections.abc import Iterator

from controller.errors import Exhausted, HoldError, NotFound, Refused, Unsupported

_EXHAUSTED = {errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EMFILE, errno.ENFILE}
_UNSUPPORTED = {errno.ENODEV, errno.ENOSYS, errno.EOPNOTSUPP}


@contextlib.contextmanager
def translated(about: str) -> Iterator[None]:
    """Raise errors of hold for OSError; `about` says what was being worked on."""
    try:
        yield
    except OSError as exc:
        raise translate(exc, about) from exc


def translate(exc: OSError, about: str) -> HoldError:
    """Return the error of hold for an OSError."""
    words = f"{about}: {exc.strerror or exc}" + (f" ({exc.filename})" if exc.filename else "")
    if exc.errno in _EXHAUSTED:
        return Exhausted(words)
    if exc.errno in _UNSUPPORTED:
        return Unsupported(words)
    if exc.errno == errno.ENOENT:
        return NotFound(words)
    return Refused(words)
