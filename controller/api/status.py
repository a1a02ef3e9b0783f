"""Errors of hold as gRPC statuses: one table of codes, with google.rpc details for programs."""

import logging
import re
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NoReturn

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from controller import errors

LOG = logging.getLogger(__name__)
DOMAIN = "hold"
UNEXPECTED = "hold met an error that it has no name for: its log has the details"

CODES: dict[type[errors.HoldError], grpc.StatusCode] = {
    errors.Invalid: grpc.StatusCode.INVALID_ARGUMENT,
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.Conflict: grpc.StatusCode.FAILED_PRECONDITION,
    errors.AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    errors.StaleRevision: grpc.StatusCode.ABORTED,
    errors.ManagedElsewhere: grpc.StatusCode.FAILED_PRECONDITION,
    errors.InUse: grpc.StatusCode.FAILED_PRECONDITION,
    errors.Expired: grpc.StatusCode.OUT_OF_RANGE,
    errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
    errors.Unsupported: grpc.StatusCode.UNIMPLEMENTED,
    errors.Exhausted: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.Refused: grpc.StatusCode.FAILED_PRECONDITION,
    errors.Damaged: grpc.StatusCode.DATA_LOSS,
}
"""The code of each class of errors; a test holds the table complete."""


def derive_reason(error: errors.HoldError) -> str:
    """Return the reason of google.rpc.ErrorInfo: the class in UPPER_SNAKE_CASE."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__).upper()


def to_status(error: errors.HoldError) -> status_pb2.Status:
    """Return the whole status: code, message, ErrorInfo, and BadRequest or RetryInfo where they apply."""
    details: list[Any] = [_make_info(error)]
    if error.violations:
        details.append(
            error_details_pb2.BadRequest(
                field_violations=[
                    error_details_pb2.BadRequest.FieldViolation(field=each.field, description=each.message)
                    for each in error.violations
                ]
            )
        )
    if isinstance(error, errors.Unavailable):
        delay = Duration()
        delay.FromMilliseconds(int(error.retry_after_s * 1000))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    return status_pb2.Status(
        code=CODES[type(error)].value[0], message=error.message, details=[_pack(detail) for detail in details]
    )


def _make_info(error: errors.HoldError) -> error_details_pb2.ErrorInfo:
    metadata = {"manager": error.manager} if isinstance(error, errors.ManagedElsewhere) else {}
    return error_details_pb2.ErrorInfo(reason=derive_reason(error), domain=DOMAIN, metadata=metadata)


def _pack(message: Any) -> AnyMessage:  # noqa: ANN401  any of google.rpc's messages
    packed = AnyMessage()
    packed.Pack(message)
    return packed


async def abort(context: "grpc.aio.ServicerContext[Any, Any]", error: errors.HoldError) -> NoReturn:
    """End the call with the error's status."""
    status = to_status(error)
    details = (("grpc-status-details-bin", status.SerializeToString()),)
    await context.abort(CODES[type(error)], error.message, details)


def find_error(error: BaseException) -> errors.HoldError | None:
    """Return the HoldError that `error` is, or the first of a group that has nothing else in it."""
    if isinstance(error, BaseExceptionGroup):
        found = [find_error(each) for each in error.exceptions]
        return None if None in found else found[0]
    return error if isinstance(error, errors.HoldError) else None


def reported(context: "grpc.aio.ServicerContext[Any, Any]") -> "_Reported":
    """End the call with the status of any HoldError that the block raises, alone or in a task group.

    An error of another class is a bug: it is logged with its traceback, and the client gets INTERNAL without details.
    """
    return _Reported(context)


@dataclass(frozen=True, slots=True)
class _Reported:
    context: "grpc.aio.ServicerContext[Any, Any]"

    async def __aenter__(self) -> None:
        """Nothing to set up."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, Exception) or isinstance(error, grpc.aio.AbortError):
            return
        known = find_error(error)
        if known is not None:
            await abort(self.context, known)
        LOG.error("call failed unexpectedly", exc_info=error)
        await self.context.abort(grpc.StatusCode.INTERNAL, UNEXPECTED)
