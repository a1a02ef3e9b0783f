"""A registry's refusals as errors of hold, in its own words."""

import json
from typing import Any

from controller.errors import HoldError, NotFound, Refused, Unavailable

_MOST_WORDS = 300


def explain_status(status: int, content: bytes, *, about: str, asked_s: float = 0.0) -> HoldError:
    """Return the error for an answer with `status`; `about` is what was asked for, `asked_s` the wait that it asks for.

    Unavailable for what may be better at another time, NotFound, Refused for the rest.
    """
    words = read_words(content)
    said = f": {words}" if words else ""
    if status == 404:
        return NotFound(f"{about} does not exist in the registry{said}")
    if status == 401:
        return Refused(f"{about}: the registry asks for a login, or it does not exist there{said}")
    if status == 403:
        return Refused(f"{about}: the registry does not allow it{said}")
    if status == 429:
        return Unavailable(f"{about}: the registry has had too many requests{said}", retry_after_s=asked_s)
    if status >= 500 or status == 408:
        return Unavailable(f"{about}: the registry fails with status {status}{said}", retry_after_s=asked_s)
    return Refused(f"{about}: the registry refuses with status {status}{said}")


def read_words(content: bytes) -> str:
    """Return what a registry says of an error (distribution specification, "Error Codes"); empty when it says nothing."""
    try:
        document: Any = json.loads(content)
        errors = document.get("errors") or [document]
        words = [str(each.get("message") or each.get("details") or each.get("code") or "") for each in errors]
    except (ValueError, AttributeError, TypeError, RecursionError):
        return ""
    text = "; ".join(filter(None, words))
    return "".join(letter if letter.isprintable() else " " for letter in text)[:_MOST_WORDS]
