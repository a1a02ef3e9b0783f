"""How the C library keeps memory for this process (mallopt(3))."""

import ctypes

_M_ARENA_MAX = -8


def keep_one_arena() -> None:
    """Let all threads share one store of freed memory: each would keep its own, and Python runs one thread at a time.

    To be called before there are threads. C libraries that have no arenas are left as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
