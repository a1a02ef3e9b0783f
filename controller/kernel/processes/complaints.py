"""What OCI runtimes complain of, in words that say what to do."""

import re

_PATTERNS = tuple(
    (re.compile(pattern, re.IGNORECASE), words)
    for pattern, words in (
        (
            r"mount [`'\"](?P<source>[^`'\"]+)[`'\"] to [`'\"]/?(?P<target>[^`'\"]+)[`'\"]: not a directory",
            "{source} can't be mounted at /{target}: one of them is a file, the other a directory",
        ),
        (
            r'mounting "(?P<source>[^"]+)" to rootfs at "/?(?P<target>[^"]+)".*not a directory',
            "{source} can't be mounted at /{target}: one of them is a file, the other a directory",
        ),
        (
            r"mkdir(?:at)? [`'\"]?(?P<path>/[^`'\":]*)[`'\"]?: not a directory",
            "{path} can't be made in the container to mount something there: a part of it is not a directory",
        ),
        (
            r"open /proc/sys/(?P<setting>[^:]+): no such file or directory",
            "this kernel has no setting {setting}: leave the sysctl out",
        ),
    )
)


def explain_complaint(complaint: str) -> str:
    """Return what a complaint means, nothing when it is not one of those that users bring about."""
    for pattern, words in _PATTERNS:
        match = pattern.search(complaint)
        if match is not None:
            found = match.groupdict()
            if "setting" in found:
                found["setting"] = found["setting"].replace("/", ".")
            return words.format(**found)
    return ""
