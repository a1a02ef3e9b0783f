"""One plugin: who it says it is, whether it answers, and the one way to ask it something.

A plugin is looked at again and again: a Handshake every few seconds, at once when the connection is lost or comes
back. While it does not answer, calls fail without asking, so that no worker of the loops waits for it.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message

from controller.errors import HoldError, Refused, Unavailable, Unsupported
from controller.plugins.refusals import describe_failure, translate
from controller.plugins.v1 import plugin_pb2, plugin_pb2_grpc

PROTOCOL_VERSION = "v1"
_BEAT_S = 10.0
"""How often a plugin that answers is asked whether it still does."""
_RETRY_S = 0.5
_FLAPPING_S = 0.05
_MOST_CALLS = 4
"""Calls of one plugin at the same time: the rest of the workers is for everything else."""
_BUSY_RETRY_S = 0.1
_CHANNEL_OPTIONS = (
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
)

Answer = TypeVar("Answer", bound=Message)
Question = TypeVar("Question", bound=Message)
Question_contra = TypeVar("Question_contra", bound=Message, contravariant=True)
Answer_co = TypeVar("Answer_co", bound=Message, covariant=True)


class Method(Protocol[Question_contra, Answer_co]):
    """A method of a generated client."""

    def __call__(self, request: Question_contra, *, timeout: float) -> Awaitable[Answer_co | None]:
        """Ask; None for an answer that is no message."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks: the daemon's instance and version, and how long it waits for an answer."""

    instance: str
    version: str
    timeout_s: float


class Plugin:
    """The connection to one plugin. `on_change` is called when it begins or ceases to answer, or says it is another."""

    def __init__(self, name: str, socket_path: str, caller: Caller, on_change: Callable[[], None]) -> None:
        self.name = name
        self._socket_path = socket_path
        self._caller = caller
        self._on_change = on_change
        self._calls = asyncio.Semaphore(_MOST_CALLS)
        self._fault: str | None = "it was not asked yet"
        self._kinds: frozenset[int] = frozenset()
        self._resting: asyncio.Timeout | None = None
        self.channel = grpc.aio.insecure_channel(f"unix:{socket_path}", options=_CHANNEL_OPTIONS)

    async def run(self) -> None:
        """Keep an eye on the plugin until cancelled."""
        try:
            while True:
                answer, fault = await self._probe()
                self._settle(frozenset(answer.kinds) if answer is not None else frozenset(), fault)
                await self._rest(answers=not fault)
        finally:
            await self.channel.close(None)

    async def call(
        self,
        kind: "plugin_pb2.DriverKind.ValueType",
        method: Method[Question, Answer],
        request: Question,
        *,
        what: str,
    ) -> Answer:
        """Ask the plugin; `what` tells in errors what for. Errors are those of `controller.ports.plugins`."""
        if self._fault is not None:
            raise Unavailable(f"plugin {self.name}: {self._fault}")
        if kind not in self._kinds:
            noun = plugin_pb2.DriverKind.Name(kind).removeprefix("DRIVER_KIND_").lower()
            raise Unsupported(f"plugin {self.name} makes no {noun}s: name another driver")
        if self._calls.locked():
            raise Unavailable(f"plugin {self.name} has not answered others yet", retry_after_s=_BUSY_RETRY_S)
        async with self._calls:
            try:
                answer = await self._ask(method, request)
            except grpc.aio.AioRpcError as exc:
                raise self._judge(exc, what) from exc
        if answer is None:
            raise Refused(f"plugin {self.name}: {what}: the answer is no message of the protocol")
        return answer

    async def _ask(self, method: Method[Question, Answer], request: Question) -> Answer | None:
        return await method(request, timeout=self._caller.timeout_s)

    def _judge(self, error: grpc.aio.AioRpcError, what: str) -> HoldError:
        """Return the error to raise; a plugin that is silent or gone is not asked again until it answers a handshake."""
        if error.code() in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE):
            self._settle(self._kinds, self._describe(error))
            self._hurry()
        return translate(error, f"plugin {self.name}: {what}", self._caller.timeout_s)

    def _hurry(self) -> None:
        """Ask who it is without waiting for the next beat; several calls may fail at once."""
        if self._resting is not None and not self._resting.expired():
            self._resting.reschedule(asyncio.get_running_loop().time())

    async def _probe(self) -> "tuple[plugin_pb2.HandshakeResponse | None, str | None]":
        """Return the plugin's answer, or what is wrong with it."""
        if not await asyncio.to_thread(Path(self._socket_path).is_socket):
            return None, f"there is no socket {self._socket_path}: start the plugin"
        stub = plugin_pb2_grpc.PluginServiceStub(self.channel)
        request = plugin_pb2.HandshakeRequest(
            versions=[PROTOCOL_VERSION], instance=self._caller.instance, hold_version=self._caller.version
        )
        try:
            answer = await self._ask(stub.Handshake, request)
        except grpc.aio.AioRpcError as exc:
            return None, self._describe(exc)
        if answer is None:
            return None, "what it says of itself is no message of the protocol"
        if answer.version != PROTOCOL_VERSION:
            told = answer.version[:40] or "none"
            return None, f"it speaks version {told!r} of the protocol, hold speaks {PROTOCOL_VERSION}"
        return answer, None

    def _describe(self, error: grpc.aio.AioRpcError) -> str:
        return describe_failure(error, self._socket_path, self._caller.timeout_s)

    def _settle(self, kinds: frozenset[int], fault: str | None) -> None:
        if (kinds, fault) != (self._kinds, self._fault):
            self._kinds, self._fault = kinds, fault
            self._on_change()

    async def _rest(self, *, answers: bool) -> None:
        """Wait, but not on when the connection changes or the plugin comes into doubt."""
        state = grpc.ChannelConnectivity.READY if answers else self.channel.get_state()
        await asyncio.sleep(_FLAPPING_S)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_BEAT_S if answers else _RETRY_S) as self._resting:
                await self.channel.wait_for_state_change(state)
        self._resting = None
