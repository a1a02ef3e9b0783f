"""Names of the signals of Linux (signal(7)); numbers are those of x86 and ARM."""

import difflib

_NAMES = (
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
)  # fmt: skip
NUMBERS: dict[str, int] = {f"SIG{name}": number for number, name in enumerate(_NAMES, start=1)}
NUMBERS |= {"SIGRTMIN": 34, "SIGRTMAX": 64}
NUMBERS |= {f"SIGRTMIN+{offset}": 34 + offset for offset in range(1, 16)}
NUMBERS |= {f"SIGRTMAX-{offset}": 64 - offset for offset in range(1, 15)}


def parse_signal(text: object) -> object:
    """Return the full name (`SIGTERM`) for `TERM`, `sigterm`, `15` or 15; ValueError names a near one."""
    if isinstance(text, bool) or not isinstance(text, str | int):
        return text
    word = str(text).strip().upper()
    if word.isdigit():
        by_number = {number: name for name, number in reversed(NUMBERS.items())}
        if int(word) in by_number:
            return by_number[int(word)]
        if 1 <= int(word) <= 64:
            return word
        raise ValueError(f"{text} is not a signal number: use 1 to 64 or a name such as SIGTERM")
    name = word if word.startswith("SIG") else f"SIG{word}"
    if name not in NUMBERS:
        near = difflib.get_close_matches(name, NUMBERS, n=1)
        hint = f": did you mean {near[0]}?" if near else ": use a name such as SIGTERM or a number"
        raise ValueError(f"{text!r} is not a signal{hint}")
    return name


def find_number(name: str) -> int:
    """Return the number of a signal as `parse_signal` returns it."""
    return int(name) if name.isdigit() else NUMBERS[name]


def find_name(number: int) -> str:
    """Return the name of a signal of signal(7), nothing where the number has none; real-time signals have none."""
    return f"SIG{_NAMES[number - 1]}" if 1 <= number <= len(_NAMES) else ""
