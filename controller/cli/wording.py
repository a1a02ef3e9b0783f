"""What people read when something fails."""

from controller.cli.transport import CallFailed


def describe_failure(error: CallFailed) -> str:
    """Return `hold: MESSAGE`, or a line for each finding when the daemon names fields."""
    violations = list_violations(error)
    if len(violations) < 2:
        return f"hold: {error.message}"
    lines = [f"  {field}: {text}" if field else f"  {text}" for field, text in violations]
    return "\n".join(["hold: nothing was changed, because of", *lines])


def list_violations(error: CallFailed) -> list[tuple[str, str]]:
    """Return field and finding of each violation in the call's status."""
    if not error.details:
        return []
    from google.rpc import error_details_pb2, status_pb2

    status = status_pb2.Status.FromString(error.details)
    found: list[tuple[str, str]] = []
    for detail in status.details:
        if detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            request = error_details_pb2.BadRequest()
            detail.Unpack(request)
            found += [(each.field, each.description) for each in request.field_violations]
    return found
