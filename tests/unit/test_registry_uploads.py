"""Blobs on their way to a registry: whole, in pieces, after a break, mounted."""

from collections.abc import AsyncIterator

import pytest

from controller.errors import Refused
from controller.images.descriptors import Descriptor
from controller.images.registry.messages import Broken, Request
from controller.images.registry.writer import RepositoryWriter
from tests.fakes.virtual_time import run_virtually
from tests.registries.layouts import digest_of
from tests.registries.played import PlayedServer, Reply, list_plain_origins


class Uploads:
    """A registry that takes blobs in, breaking off now and then."""

    def __init__(self, *, breaks_at: int = 0, mounts: bool = False) -> None:
        self.received = bytearray()
        self.whole: dict[str, bytes] = {}
        self._breaks_at = breaks_at
        self._mounts = mounts

    def __call__(self, request: Request) -> Reply:
        location = {"location": "/v2/shop/blobs/uploads/1?state=x"}
        if request.method == "POST":
            return Reply(status=201 if self._mounts and "mount=" in request.url else 202, headers=location)
        if request.method == "GET":
            return Reply(status=204, headers={"range": f"0-{len(self.received) - 1}"})
        if request.method == "PATCH":
            return self._patch(request, location)
        if request.method == "PUT":
            self.received += request.body or b""
            digest = digest_of(bytes(self.received))
            if digest.replace(":", "%3A") not in request.url:
                return Reply(status=400, body=b'{"errors": [{"message": "digest did not match"}]}')
            self.whole[digest] = bytes(self.received)
            return Reply(status=201)
        return Reply(status=202 if request.method == "DELETE" else 404)

    def _patch(self, request: Request, location: dict[str, str]) -> Reply:
        start = int(request.headers["Content-Range"].partition("-")[0])
        body = request.body or b""
        if start != len(self.received):
            return Reply(status=416)
        if self._breaks_at and start <= self._breaks_at < start + len(body):
            self.received += body[: self._breaks_at - start]
            self._breaks_at = 0
            return Reply(error=Broken("the connection broke"))
        self.received += body
        return Reply(status=202, headers=location)


def upload(uploads: Uploads, content: bytes, *, digest: str = "") -> list[int]:
    told: list[int] = []
    descriptor = Descriptor(media_type="x", digest=digest or digest_of(content), size_bytes=len(content))

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(content), 1 << 20):
            yield content[start : start + (1 << 20)]

    async def main(loop: object) -> None:
        del loop
        writer = RepositoryWriter(path="shop", origins=list_plain_origins(PlayedServer(script=uploads)))
        await writer.upload(descriptor, pieces(), told.append)

    run_virtually(main)
    return told


def test_a_small_blob_is_sent_whole_and_a_large_one_in_pieces() -> None:
    small, large = Uploads(), Uploads()
    assert upload(small, b"small") == [5]
    content = b"large" * (4 << 20)
    told = upload(large, content)
    assert told == [8 << 20, 16 << 20, len(content)]
    assert large.whole == {digest_of(content): content}


def test_an_upload_goes_on_after_a_break() -> None:
    content = b"large" * (4 << 20)
    uploads = Uploads(breaks_at=10 << 20)
    upload(uploads, content)
    assert uploads.whole == {digest_of(content): content}


def test_a_registrys_own_check_of_the_digest_counts() -> None:
    with pytest.raises(Refused, match="digest did not match"):
        upload(Uploads(), b"small", digest=digest_of(b"other"))


@pytest.mark.parametrize("mounts", [True, False])
def test_a_blob_is_mounted_where_the_registry_does_that(mounts: bool) -> None:
    server = PlayedServer(script=Uploads(mounts=mounts))

    async def main(loop: object) -> bool:
        del loop
        return await RepositoryWriter(path="shop", origins=list_plain_origins(server)).mount(
            digest_of(b"blob"), "other"
        )

    assert run_virtually(main) is mounts
    assert [request.method for request in server.asked] == (["POST"] if mounts else ["POST", "DELETE"])
