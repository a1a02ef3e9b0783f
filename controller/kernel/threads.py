"""Threads that end, for work that changes what the thread itself belongs to (namespaces, directories)."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from controller.kernel import syscalls

Result = TypeVar("Result")


def run_apart(work: Callable[[], Result]) -> Result:
    """Run `work` in a thread that ends with it, and wait; what it raises is raised here."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="apart") as thread:
        return thread.submit(work).result()


def run_in_netns(path: str, work: Callable[[], Result]) -> Result:
    """Run `work` in a thread that has entered the network namespace at `path`; sockets it makes stay in there."""

    def enter() -> Result:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            syscalls.setns(fd, syscalls.CLONE_NEWNET)
        finally:
            os.close(fd)
        return work()

    return run_apart(enter)
