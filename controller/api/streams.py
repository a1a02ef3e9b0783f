"""Carrying bytes between a client's stream and a session with a process."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

from controller.api.v1 import container_pb2
from controller.errors import Invalid
from controller.model.signals import find_number, parse_signal
from controller.ports import Session

_DRAIN_S = 5.0
"""How long output may still come after the process' end was recorded; it normally is there before."""

WriteOutput = Callable[[container_pb2.Output], Awaitable[None]]
SendSignal = Callable[[int], Awaitable[None]]


class HasInput(Protocol):
    """A client's message: RunRequest, AttachRequest and ExecRequest are alike in this."""

    @property
    def input(self) -> container_pb2.Input:
        """What the client sends to the process."""
        ...


async def pump_input(requests: AsyncIterator[HasInput], session: Session, send_signal: SendSignal) -> None:
    """Hand a client's input to the process until the client has no more to say."""
    async for request in requests:
        message = request.input
        match message.WhichOneof("input"):
            case "data":
                await session.write(message.data)
            case "end":
                await session.close_stdin()
            case "resize":
                await session.resize(rows=message.resize.rows, columns=message.resize.columns)
            case "signal":
                await send_signal(read_signal(message.signal))
            case _:
                raise Invalid("a message after the first has to carry input")


async def pump_output(session: Session, write: WriteOutput) -> None:
    """Hand what the process writes to the client until the process ends."""
    async for stream, data in session.output():
        await write(container_pb2.Output(stream=stream, data=data))


async def converse(
    requests: AsyncIterator[HasInput],
    session: Session,
    write: WriteOutput,
    *,
    send_signal: SendSignal,
    ended: Callable[[], Awaitable[None]],
) -> None:
    """Carry both directions until `ended` returns and the rest of the output has come; then let the session go.

    A client that goes away ends the conversation by cancellation, not the process.
    """
    try:
        async with asyncio.TaskGroup() as tasks:
            incoming = tasks.create_task(pump_input(requests, session, send_signal))
            outgoing = tasks.create_task(pump_output(session, write))
            await ended()
            await asyncio.wait([outgoing], timeout=_DRAIN_S)
            incoming.cancel()
            outgoing.cancel()
    finally:
        await session.close()


def read_signal(text: str) -> int:
    """Return a signal's number; Invalid names a near one."""
    try:
        return find_number(str(parse_signal(text)))
    except ValueError as error:
        raise Invalid(str(error)) from error
