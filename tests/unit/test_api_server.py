"""The server itself: its socket, health, reflection, what it does with junk."""

import asyncio
import contextlib
import inspect
import os
import socket
import stat
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from controller import errors
from controller.api.status import CODES, to_status
from controller.api.v1 import state_pb2, system_pb2
from controller.errors import Conflict, HoldError, Refused
from tests.unit.api_bench import opened_bench, volume


async def test_health_and_reflection_answer(tmp_path: Path) -> None:
    async with opened_bench(tmp_path) as bench:
        health = health_pb2_grpc.HealthStub(bench.channel)
        for service in ("", "hold.v1.StateService"):
            answer = await health.Check(health_pb2.HealthCheckRequest(service=service))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        reflection = reflection_pb2_grpc.ServerReflectionStub(bench.channel)
        call = reflection.ServerReflectionInfo()
        await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        names = {each.name for each in (await call.read()).list_services_response.service}
        await call.done_writing()
    wanted = {f"hold.v1.{name}Service" for name in ("State", "Container", "Image", "System")}
    assert wanted <= names


async def test_the_socket_is_for_root_and_its_group(tmp_path: Path) -> None:
    async with opened_bench(tmp_path) as bench:
        found = await asyncio.to_thread(os.stat, bench.socket_path)
    assert stat.S_IMODE(found.st_mode) == 0o660


async def test_junk_harms_nobody(tmp_path: Path) -> None:
    async with opened_bench(tmp_path) as bench:
        for junk in (
            b"\0" * 10_000,
            b"GET / HTTP/1.1\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 999,
        ):
            reader, writer = await asyncio.open_unix_connection(bench.socket_path)
            writer.write(junk)
            writer.write_eof()
            with contextlib.suppress(ConnectionError):
                async with asyncio.timeout(30):
                    await reader.read()
            writer.close()
        bad = bench.channel.unary_unary("/hold.v1.StateService/Apply", bytes, bytes)
        with pytest.raises(grpc.aio.AioRpcError):
            await bad(b"\xff\xff\xff")
        await bench.apply(volume("a"))


async def test_a_stale_socket_is_replaced_a_live_one_is_not(tmp_path: Path) -> None:
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(tmp_path / "hold.sock"))
    stale.close()
    async with opened_bench(tmp_path) as bench:
        other = tmp_path / "other"
        other.mkdir()
        (other / "hold.sock").symlink_to(bench.socket_path)
        with pytest.raises(Conflict, match="something listens"):
            async with opened_bench(other):
                pass
        await bench.apply(volume("a"))


async def test_a_file_in_the_way_is_kept(tmp_path: Path) -> None:
    (tmp_path / "hold.sock").write_text("mine")
    with pytest.raises(Refused, match="is no socket"):
        async with opened_bench(tmp_path):
            pass
    assert (tmp_path / "hold.sock").read_text() == "mine"


async def test_a_bug_is_logged_and_not_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with opened_bench(tmp_path) as bench:
        bench.host.diagnosis_error = RuntimeError("secret")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await bench.system.Diagnose(system_pb2.DiagnoseRequest())
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in (caught.value.details() or "")
    assert "secret" in caplog.text


async def test_the_host_is_described(tmp_path: Path) -> None:
    async with opened_bench(tmp_path) as bench:
        await bench.apply(volume("a"))
        info = await bench.system.GetInfo(system_pb2.GetInfoRequest())
        version = await bench.system.GetVersion(system_pb2.GetVersionRequest())
        checks = (await bench.system.Diagnose(system_pb2.DiagnoseRequest())).checks
    assert (dict(info.objects), info.instance, info.containers_running) == ({"Volume": 1}, "test", 0)
    assert version.api_version == "hold/v1"
    assert [(each.name, each.result) for each in checks] == [("overlay", "ok")]


async def test_an_end_of_serving_ends_watches(tmp_path: Path) -> None:
    async with asyncio.timeout(60):
        async with opened_bench(tmp_path) as bench:
            call = bench.state.Watch(state_pb2.WatchRequest())
            await call.read()
    assert call.done()


def list_errors() -> list[type[HoldError]]:
    found = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, HoldError)]
    return [each for each in found if each is not HoldError]


@pytest.mark.parametrize("error", list_errors())
def test_every_error_has_a_code(error: type[HoldError]) -> None:
    made = error("text", manager="m") if error is errors.ManagedElsewhere else error("text")
    assert to_status(made).code == CODES[error].value[0]
