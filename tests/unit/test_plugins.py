"""Plugins that answer, that don't, and that answer nonsense."""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from controller.errors import Exhausted, HoldError, NotFound, Refused, Unavailable, Unsupported
from controller.model.ids import Uid
from controller.model.plugins import DrivenNetwork, DrivenVolume, EndpointWant
from controller.plugins.assembly import OpenedDrivers
from controller.plugins.v1 import network_driver_pb2 as networks
from controller.plugins.v1 import plugin_pb2
from controller.plugins.v1 import volume_driver_pb2 as volumes
from controller.ports import Hint, HintType
from tests.unit.played_plugin import NAME, Part, asking, playing

UID = Uid("1" * 32)
BOOKS = DrivenVolume(driver=NAME, uid=UID, name="books", options={"mode": "750"})
LOOM = DrivenNetwork(driver=NAME, uid=UID, name="loom", subnets=(("10.95.0.0/24", "10.95.0.1"),), mtu=1400)
END = EndpointWant(
    driver=NAME, network=UID, container=UID, addresses=("10.95.0.9/24",), mac="02:00:00:00:00:01"
)
DEADLINE_S = 20.0


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory whose path leaves room for a socket's name (unix(7): 108 bytes)."""
    with tempfile.TemporaryDirectory(prefix="plugins-") as path:
        yield Path(path)


async def wait_for(opened: OpenedDrivers, words: str) -> None:
    """Return when what is wrong with the plugin has these words, for none when nothing is; each change is hinted at."""
    async with asyncio.timeout(DEADLINE_S):
        hints = opened.events.watch()
        while not _has(words, (await opened.drivers.volumes.read(BOOKS)).fault):
            assert await anext(hints) == Hint(type=HintType.PLUGIN, subject=NAME)


def _has(words: str, fault: str) -> bool:
    return words in fault if words else not fault


async def test_what_was_ensured_is_compared(place: Path) -> None:
    told = volumes.Volume(id=UID, name="books", options={"mode": "750"})
    part = Part(answers={"GetVolume": volumes.GetVolumeResponse(volume=told, mounted=True)})
    async with playing(part, place), asking(place) as opened:
        await wait_for(opened, "")
        facts = await opened.drivers.volumes.read(BOOKS)
        assert (facts.present, facts.current, facts.mounted) == (True, True, True)
        part.answers["GetVolume"].volume.options["mode"] = "700"
        assert not (await opened.drivers.volumes.read(BOOKS)).current
        subnet = networks.Subnet(cidr="10.95.0.0/24", gateway="10.95.0.1")
        network = networks.Network(id=UID, name="loom", subnets=[subnet], mtu=1400)
        part.answers["GetNetwork"] = networks.GetNetworkResponse(network=network, endpoint_ids=[UID])
        joined = await opened.drivers.networks.read(LOOM)
        assert (joined.current, set(joined.endpoints)) == (True, {UID})


async def test_one_that_comes_and_goes_is_told_of(place: Path) -> None:
    async with asking(place) as opened:
        assert "it was not asked yet" in (await opened.drivers.volumes.read(BOOKS)).fault
        for _ in range(2):
            await wait_for(opened, f"there is no socket {place / NAME}.sock: start the plugin")
            async with playing(Part(), place):
                await wait_for(opened, "")
            (place / f"{NAME}.sock").unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (Part(version="v9"), "it speaks version 'v9' of the protocol, hold speaks v1"),
        (Part(version=""), "it speaks version 'none'"),
        (Part(silent=True), "it does not answer within 0.2 s"),
    ],
)
async def test_one_that_can_not_be_used_says_why(place: Path, part: Part, words: str) -> None:
    async with playing(part, place), asking(place, timeout_s=0.2) as opened:
        await wait_for(opened, words)
        asked = len(part.calls)
        with pytest.raises(Unavailable):
            await opened.drivers.volumes.ensure(BOOKS)
        assert "EnsureVolume" not in part.calls[asked:]


async def test_what_is_no_plugin_is_not_taken_for_one(place: Path) -> None:
    server = await asyncio.start_unix_server(lambda _, writer: writer.close(), place / f"{NAME}.sock")
    async with server, asking(place) as opened:
        await wait_for(opened, "nobody answers at")


async def test_a_plugin_is_asked_for_its_own_kind_alone(place: Path) -> None:
    part = Part(kinds=(plugin_pb2.DRIVER_KIND_VOLUME,))
    async with playing(part, place), asking(place) as opened:
        await wait_for(opened, "")
        assert "makes no networks: name another driver" in (await opened.drivers.networks.read(LOOM)).fault
        with pytest.raises(Unsupported):
            await opened.drivers.networks.ensure(LOOM)
        assert "EnsureNetwork" not in part.calls


@pytest.mark.parametrize(
    ("code", "error", "words"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, Refused, "volume books: no such colour"),
        (grpc.StatusCode.NOT_FOUND, NotFound, "no such colour"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, Exhausted, "no such colour"),
        (grpc.StatusCode.UNIMPLEMENTED, Unsupported, "needs a newer release"),
        (grpc.StatusCode.UNKNOWN, Refused, "the plugin failed: no such colour"),
        (grpc.StatusCode.UNAVAILABLE, Unavailable, "has gone away"),
    ],
)
async def test_its_words_are_told(
    place: Path, code: grpc.StatusCode, error: type[HoldError], words: str
) -> None:
    part = Part()
    async with playing(part, place), asking(place) as opened:
        await wait_for(opened, "")
        part.code, part.words = code, "no such\n colour"
        with pytest.raises(error, match=words):
            await opened.drivers.volumes.ensure(BOOKS)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", "is no absolute path"),
        ("data/books", "is no absolute path"),
        ("/", "is the host's root"),
        ("/proc/../..", "is the host's root"),
        ("/etc/hostname", "is no directory of the host"),
        ("/no/such/place", "is no directory of the host"),
    ],
)
async def test_a_path_that_can_not_be_mounted_is_refused(place: Path, path: str, words: str) -> None:
    part = Part(answers={"MountVolume": volumes.MountVolumeResponse(path=path)})
    async with playing(part, place), asking(place) as opened:
        await wait_for(opened, "")
        with pytest.raises(Refused, match=words):
            await opened.drivers.volumes.mount(BOOKS)


@pytest.mark.parametrize("link", ["", "a/b", "x" * 16, "two words", "eth0:1"])
async def test_a_name_that_no_link_can_have_is_refused(place: Path, link: str) -> None:
    part = Part(answers={"EnsureEndpoint": networks.EnsureEndpointResponse(link=link)})
    async with playing(part, place), asking(place) as opened:
        await wait_for(opened, "")
        with pytest.raises(Refused, match="is no name of a link"):
            await opened.drivers.networks.ensure_endpoint(END)


async def test_bytes_that_are_no_answer_are_a_failure(place: Path) -> None:
    part = Part(answers={"MountVolume": b"\xff\xff\xff"})
    async with playing(part, place), asking(place) as opened:
        await wait_for(opened, "")
        with pytest.raises(HoldError):
            await opened.drivers.volumes.mount(BOOKS)


async def test_why_it_tells_nothing_is_told(place: Path) -> None:
    """Also where the answer is larger than gRPC takes: 4 MiB."""
    part = Part()
    async with playing(part, place), asking(place) as opened:
        await wait_for(opened, "")
        for code in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INTERNAL, grpc.StatusCode.ABORTED):
            part.code, part.words = code, "no such luck"
            assert "no such luck" in (await opened.drivers.volumes.read(BOOKS)).fault
            assert "no such luck" in (await opened.drivers.networks.read(LOOM)).fault
        part.code = None
        part.answers["GetVolume"] = volumes.GetVolumeResponse(volume=volumes.Volume(id="x" * (5 << 20)))
        assert "larger than max" in (await opened.drivers.volumes.read(BOOKS)).fault


async def test_fields_of_a_later_release_are_left_aside(place: Path) -> None:
    answer = volumes.MountVolumeResponse(path=str(place)).SerializeToString() + b"\xba\x06\x05later"
    async with playing(Part(answers={"MountVolume": answer}), place), asking(place) as opened:
        await wait_for(opened, "")
        assert await opened.drivers.volumes.mount(BOOKS) == str(place)


async def _fail(opened: OpenedDrivers) -> None:
    with pytest.raises(Unavailable):
        await opened.drivers.volumes.ensure(BOOKS)


async def test_silence_holds_up_few_and_only_once(place: Path) -> None:
    part = Part()
    async with playing(part, place), asking(place, timeout_s=0.5) as opened:
        await wait_for(opened, "")
        part.silent = True
        asked = len(part.calls)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(20):
                tasks.create_task(_fail(opened))
        assert part.calls[asked:].count("EnsureVolume") <= 4
        with pytest.raises(Unavailable, match="does not answer within"):
            await opened.drivers.volumes.ensure(BOOKS)
        part.silent = False
        await wait_for(opened, "")
