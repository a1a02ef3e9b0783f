"""From what gRPC says of a failed call to errors with a cause and what to do."""

from collections.abc import Mapping

import grpc
import grpc.aio

from controller.errors import Exhausted, HoldError, NotFound, Refused, Unavailable, Unsupported

_MOST_CHARACTERS = 300
_GONE_RETRY_S = 1.0

_ANSWERS: Mapping[grpc.StatusCode, tuple[type[HoldError], str]] = {
    grpc.StatusCode.NOT_FOUND: (NotFound, ""),
    grpc.StatusCode.UNIMPLEMENTED: (
        Unsupported,
        "the plugin does not know this call: it needs a newer release: ",
    ),
    grpc.StatusCode.RESOURCE_EXHAUSTED: (Exhausted, ""),
    grpc.StatusCode.UNKNOWN: (Refused, "the plugin failed: "),
    grpc.StatusCode.INTERNAL: (Refused, "the plugin failed: "),
}
"""What an answer comes to, and what to say before its own words; all others are refusals."""


def translate(error: grpc.aio.AioRpcError, what: str, timeout_s: float) -> HoldError:
    """Return the error of ours; `what` begins its message."""
    details = _first_words(error.details() or "")
    match error.code():
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            silence = (
                f"{what}: no answer within {timeout_s:g} s: look at the plugin's own log, or start it again"
            )
            return Unavailable(silence, retry_after_s=_GONE_RETRY_S)
        case grpc.StatusCode.UNAVAILABLE | grpc.StatusCode.CANCELLED:
            gone = f"{what}: the plugin has gone away: start it again"
            return Unavailable(gone, retry_after_s=_GONE_RETRY_S)
        case code:
            kind, why = _ANSWERS.get(code, (Refused, ""))
            return kind(f"{what}: {why}{details or code.name}")


def describe_failure(error: grpc.aio.AioRpcError, socket_path: str, timeout_s: float) -> str:
    """Return why a plugin can't be asked, and what to do."""
    match error.code():
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return f"it does not answer within {timeout_s:g} s: look at its own log, or start it again"
        case grpc.StatusCode.UNAVAILABLE:
            return f"nobody answers at {socket_path}: start the plugin again"
        case grpc.StatusCode.UNIMPLEMENTED:
            return f"who listens at {socket_path} is no plugin of hold's"
        case _:
            return f"it can't say who it is: {_first_words(error.details() or error.code().name)}"


def _first_words(details: str) -> str:
    """Return details of others as part of one line."""
    line = " ".join(details.split())
    return line if len(line) <= _MOST_CHARACTERS else f"{line[:_MOST_CHARACTERS]}..."
