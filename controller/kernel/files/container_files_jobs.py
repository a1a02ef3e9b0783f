"""What the children for containers' files share: reading a job, answering, telling what went wrong.

A job is a JSON object with the name of its operation. Streams go through standard input and output; a stream that comes
out begins with a line of JSON. What fails is told on standard error as a JSON object with the class of the error.
Imports little, so that children start fast.
"""

import errno
import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from controller.errors import Exhausted, HoldError, Refused

EXIT_FAILED = 3
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}

Job = dict[str, Any]


class Output:
    """Standard output, to which everything is written whole."""

    def write(self, data: bytes) -> None:
        """Write all the bytes."""
        left = memoryview(data)
        while left:
            left = left[os.write(1, left) :]

    def tell(self, document: object) -> None:
        """Write a line of JSON."""
        self.write(json.dumps(document).encode() + b"\n")


Operation = Callable[[Job, Output], None]


def run_job(text: str, operations: Mapping[str, Operation]) -> int:
    """Carry out a job; returns the exit code."""
    job: Job = json.loads(text)
    try:
        operations[job["operation"]](job, Output())
    except HoldError as error:
        told = {"error": type(error).__name__, "message": error.message}
    except BrokenPipeError:
        return EXIT_FAILED
    except OSError as error:
        kind = Exhausted if error.errno in _NO_SPACE else Refused
        words = (error.strerror or str(error)).lower()
        told = {"error": kind.__name__, "message": f"{job.get('path') or 'the container'}: {words}"}
    else:
        return 0
    sys.stderr.write(json.dumps(told))
    return EXIT_FAILED
