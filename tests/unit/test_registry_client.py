"""The registry client against a server in memory and in virtual time: retries, redirects, logins, mirrors, breaks."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import pytest

from controller.errors import HoldError, Invalid, NotFound, Refused, Unavailable
from controller.images.descriptors import Descriptor
from controller.images.registry.back_off import Patience
from controller.images.registry.messages import Broken, CantConnect, Request, Untrusted
from controller.images.registry.origins import Origins
from controller.images.registry.pace import paced
from controller.images.registry.repository import MOST_MANIFEST_BYTES, Repository
from controller.images.registry.search import search
from controller.model.image_reference import parse_reference
from controller.model.platforms import Platform
from controller.model.registries import Credential, RegistrySettings
from tests.fakes.virtual_time import run_virtually
from tests.registries.layouts import OCI_INDEX, OCI_MANIFEST, MadeImage, digest_of, make_image, make_index
from tests.registries.played import PlayedServer, Reply, list_plain_origins, make_origins

BASE = "http://127.0.0.1"
IMAGE = make_image([{"a": b"1" * 5000}, {"b": b"2"}])
BLOB = bytes(range(256)) * 40
LAYER = Descriptor(media_type="x", digest=digest_of(BLOB), size_bytes=len(BLOB))
BLOB_URL = f"{BASE}/v2/shop/blobs/{LAYER.digest}"
MANIFEST_URL = f"{BASE}/v2/shop/manifests/1"
AMD64 = Platform(architecture="amd64")

Result = TypeVar("Result")


def ask(
    server: PlayedServer,
    body: Callable[[Repository], Awaitable[Result]],
    *,
    credential: Credential | None = None,
) -> tuple[Result, float]:
    """Return what `body` returns, and the virtual seconds that it took."""

    async def main(loop: object) -> tuple[Result, float]:
        del loop
        result = await body(Repository(path="shop", origins=list_plain_origins(server, credential)))
        return result, asyncio.get_running_loop().time()

    return run_virtually(main)


async def read(repository: Repository) -> bytes:
    return b"".join([chunk async for chunk in repository.read_blob(LAYER)])


async def find(repository: Repository) -> str:
    return (await repository.find_manifest(parse_reference("127.0.0.1/shop:1"), AMD64)).digest


def reply_manifest(image: MadeImage = IMAGE, media_type: str = OCI_MANIFEST) -> Reply:
    return Reply(body=image.blobs[image.manifest_digest], headers={"content-type": media_type})


@pytest.mark.parametrize(("every_s", "broken"), [(0.5, False), (1.1, True)])
def test_a_sender_that_trickles_is_broken_off(every_s: float, *, broken: bool) -> None:
    """A piece of 1,000 bytes every so often, and a reader that takes its time; 1,000 bytes a second are wanted."""

    async def send() -> AsyncIterator[bytes]:
        for _ in range(100):
            await asyncio.sleep(every_s)
            yield bytes(1000)

    async def read(loop: asyncio.AbstractEventLoop) -> tuple[int, float]:
        count = 0
        with contextlib.suppress(Broken):
            async for _ in paced(send(), Patience(silence_s=10, least_rate_bytes=1000)):
                count += 1
                await asyncio.sleep(5)
        return count, loop.time()

    count, took_s = run_virtually(read)
    assert (count, round(took_s, 1)) == ((9, 56.0) if broken else (100, 550.0))


def test_too_many_requests_and_failures_are_waited_out() -> None:
    server = PlayedServer()
    busy = Reply(status=429, headers={"retry-after": "30"})
    server.on(MANIFEST_URL, busy, Reply(status=503), reply_manifest())
    digest, took_s = ask(server, find)
    assert (digest, took_s) == (IMAGE.manifest_digest, 32.0)


@pytest.mark.parametrize(
    ("reply", "error", "told"),
    [
        (Reply(status=404, body=b'{"errors": [{"message": "manifest unknown"}]}'), NotFound, "does not exist in the registry: manifest unknown"),
        (Reply(status=403), Refused, "does not allow it"),
        (Reply(status=401), Refused, "log in by `hold login 127.0.0.1`"),
        (Reply(status=418), Refused, "refuses with status 418"),
        (Reply(status=500), Unavailable, "fails with status 500"),
        (Reply(error=CantConnect("connection refused")), Unavailable, "can't be reached: connection refused"),
        (Reply(error=Broken("it fell silent")), Unavailable, "it fell silent"),
        (Reply(error=Untrusted("self-signed certificate")), Refused, "nobody vouches for the certificate"),
        (Reply(body=b"{}" * MOST_MANIFEST_BYTES), Invalid, "is longer than"),
        (Reply(body=b"not json"), Invalid, "gives as a manifest"),
        (Reply(body=IMAGE.blobs[IMAGE.manifest_digest], headers={"docker-content-digest": digest_of(b"else")}), Invalid, "is not what its digest"),
        (Reply(status=302, headers={"location": "file:///etc/passwd"}), Refused, "no address of the web"),
        (Reply(status=302, headers={"location": "gopher://x/"}), Refused, "no address of the web"),
        (Reply(status=302), Refused, "no address of the web"),
        (Reply(status=302, headers={"location": MANIFEST_URL}), Refused, "more than 5 times"),
    ],
)  # fmt: skip
def test_what_a_registry_refuses_or_spoils_is_told(reply: Reply, error: type[HoldError], told: str) -> None:
    server = PlayedServer()
    server.on(MANIFEST_URL, reply)
    with pytest.raises(error) as caught:
        ask(server, find)
    assert told in caught.value.message
    if error is Unavailable:
        assert len(server.asked) == (1 if isinstance(reply.error, CantConnect) else 3)


def test_indexes_that_lead_on_and_on_are_given_up() -> None:
    inner = make_index({"linux/amd64": IMAGE})
    for _ in range(4):
        entry = {
            "mediaType": OCI_INDEX,
            "digest": inner.manifest_digest,
            "platform": {"os": "linux", "architecture": "amd64"},
        }
        content = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}).encode()
        inner = MadeImage(
            manifest_digest=digest_of(content), blobs={**inner.blobs, digest_of(content): content}
        )
    server = PlayedServer()
    server.on(MANIFEST_URL, reply_manifest(inner, OCI_INDEX))
    for digest, content in inner.blobs.items():
        server.on(
            f"{BASE}/v2/shop/manifests/{digest}", Reply(body=content, headers={"content-type": OCI_INDEX})
        )
    with pytest.raises(Invalid, match="lead on and on"):
        ask(server, find)
    assert len(server.asked) == 3


def test_a_broken_download_goes_on_where_it_broke_off() -> None:
    server = PlayedServer()
    server.on(
        BLOB_URL,
        Reply(body=BLOB[:3000], breaks=True),
        Reply(
            status=206,
            body=BLOB[3000:7000],
            breaks=True,
            headers={"content-range": f"bytes 3000-10239/{len(BLOB)}"},
        ),
        Reply(error=CantConnect("connection refused")),
        Reply(body=BLOB),
    )
    content, _ = ask(server, read)
    assert content == BLOB
    ranges = [request.headers.get("Range", "") for request in server.asked]
    assert ranges == ["", "bytes=3000-", "bytes=7000-", "bytes=7000-"]


@pytest.mark.parametrize(
    ("reply", "error", "told"),
    [
        (Reply(body=BLOB[:-1]), Invalid, "its manifest says"),
        (Reply(body=BLOB + b"more", breaks=True), Invalid, "is longer than"),
        (Reply(body=b"", breaks=True), Unavailable, "the connection broke"),
        (Reply(status=404), NotFound, "does not exist"),
    ],
)
def test_a_blob_of_another_length_is_refused(reply: Reply, error: type[HoldError], told: str) -> None:
    server = PlayedServer()
    server.on(BLOB_URL, reply)
    with pytest.raises(error) as caught:
        ask(server, read)
    assert told in caught.value.message


def test_another_part_than_was_asked_for_is_refused() -> None:
    server = PlayedServer()
    wrong = Reply(status=206, body=BLOB[5000:], headers={"content-range": "bytes 5000-10239/10240"})
    server.on(BLOB_URL, Reply(body=BLOB[:3000], breaks=True), wrong)
    with pytest.raises(Invalid, match="another part"):
        ask(server, read)


def basic(request: Request) -> str:
    return request.headers.get("Authorization", "")


def test_a_login_is_not_shown_to_another_host() -> None:
    server = PlayedServer()

    def script(request: Request) -> Reply:
        if request.url == BLOB_URL and not basic(request):
            return Reply(status=401, headers={"www-authenticate": "Basic realm=x"})
        if request.url == BLOB_URL:
            return Reply(status=307, headers={"location": "http://cdn.example/blob?signature=1"})
        return Reply(body=BLOB)

    server.script = script
    content, _ = ask(server, read, credential=Credential(username="me", password="pw"))
    assert content == BLOB
    assert [(request.url, basic(request)[:5]) for request in server.asked] == [
        (BLOB_URL, ""),
        (BLOB_URL, "Basic"),
        ("http://cdn.example/blob?signature=1", ""),
    ]


def bearer_script(tokens: list[str], *, password: str = "") -> Callable[[Request], Reply]:
    """A registry that wants tokens of a service, which gives `tokens` in turn; the last one is good."""

    def script(request: Request) -> Reply:
        if request.url.startswith("http://auth.example/"):
            if password and not basic(request) and request.body is None:
                return Reply(status=401)
            return Reply(body=json.dumps({"access_token": tokens.pop(0), "expires_in": 300}).encode())
        if basic(request) != "Bearer good":
            challenge = 'Bearer realm="http://auth.example/token",service="reg",scope="repository:shop:pull"'
            return Reply(status=401, headers={"www-authenticate": challenge})
        return reply_manifest()

    return script


def test_a_token_is_fetched_once_for_a_scope() -> None:
    server = PlayedServer(script=bearer_script(["good"]))

    async def twice(repository: Repository) -> None:
        await find(repository)
        await find(repository)

    ask(server, twice, credential=Credential(username="me", password="pw"))
    assert server.list_urls() == [
        MANIFEST_URL,
        "http://auth.example/token?scope=repository%3Ashop%3Apull&service=reg&account=me",
        MANIFEST_URL,
        MANIFEST_URL,
    ]


def test_an_identity_token_is_traded_by_post() -> None:
    server = PlayedServer(script=bearer_script(["good"]))
    ask(server, find, credential=Credential(identity_token="refresh me"))
    posted = server.asked[1]
    assert (posted.method, posted.url) == ("POST", "http://auth.example/token")
    assert b"grant_type=refresh_token" in (posted.body or b"")
    assert b"refresh_token=refresh+me" in (posted.body or b"")


@pytest.mark.parametrize(
    ("tokens", "told"),
    [(["bad"], "log in by"), ([""], "gives no token"), (["bad\r\nX: y"], "gives no token")],
)
def test_a_token_that_is_none_ends_the_call(tokens: list[str], told: str) -> None:
    server = PlayedServer(script=bearer_script(tokens))
    with pytest.raises(Refused, match=told):
        ask(server, find)


def test_a_wrong_password_is_told() -> None:
    server = PlayedServer(script=bearer_script(["good"], password="pw"))
    with pytest.raises(Refused, match="refuses the login"):
        ask(server, find)


def test_a_token_service_must_be_on_the_web() -> None:
    server = PlayedServer()
    challenge = {"www-authenticate": 'Bearer realm="file:///etc/passwd"'}
    server.on(MANIFEST_URL, Reply(status=401, headers=challenge))
    with pytest.raises(Refused, match="can't be trusted"):
        ask(server, find)


def test_what_a_mirror_lacks_comes_from_the_registry() -> None:
    server = PlayedServer()
    registries = {"127.0.0.1": RegistrySettings(mirrors=("http://mirror.example",))}
    server.on("http://mirror.example/v2/shop/manifests/1", reply_manifest())
    server.on(
        f"http://mirror.example/v2/shop/blobs/{LAYER.digest}",
        Reply(body=BLOB[:4000], breaks=True),
        Reply(status=404),
    )
    part = {"content-range": f"bytes 4000-10239/{len(BLOB)}"}
    server.on(BLOB_URL, Reply(status=206, body=BLOB[4000:], headers=part))

    async def main(loop: object) -> bytes:
        del loop
        every = list(make_origins(server, "127.0.0.1", registries=registries))
        origins = Origins([origin for origin in every if origin.endpoint.base_url.startswith("http:")])
        repository = Repository(path="shop", origins=origins)
        assert await find(repository) == IMAGE.manifest_digest
        return await read(repository)

    assert run_virtually(main) == BLOB
    assert server.list_urls()[-1] == BLOB_URL


async def test_an_insecure_registry_is_asked_by_http_when_it_has_no_tls() -> None:
    server = PlayedServer()
    server.on("https://127.0.0.1/v2/shop/manifests/1", Reply(error=CantConnect("TLS failed")))
    server.on(MANIFEST_URL, reply_manifest())
    repository = Repository(path="shop", origins=make_origins(server, "127.0.0.1"))
    await find(repository)
    await find(repository)
    assert [url[:6] for url in server.list_urls()] == ["https:", "http:/", "http:/"]


async def test_nobody_is_led_from_https_to_http() -> None:
    server = PlayedServer()
    url = "https://reg.example/v2/shop/manifests/1"
    server.on(url, Reply(status=307, headers={"location": "http://reg.example/v2/"}))
    repository = Repository(path="shop", origins=make_origins(server, "reg.example"))
    with pytest.raises(Refused, match="by http"):
        await repository.find_manifest(parse_reference("reg.example/shop:1"), AMD64)
    challenge = {"www-authenticate": 'Bearer realm="http://auth.example/"'}
    server.on(url, Reply(status=401, headers=challenge))
    with pytest.raises(Refused, match="can't be trusted"):
        await repository.find_manifest(parse_reference("reg.example/shop:1"), AMD64)


def test_tags_come_in_pages_of_the_same_host() -> None:
    server = PlayedServer()
    first = f"{BASE}/v2/shop/tags/list?n=1000"
    link = {"link": '</v2/shop/tags/list?last=b&n=1000>; rel="next"'}
    server.on(first, Reply(body=b'{"tags": ["a", "b"]}', headers=link))
    server.on(f"{BASE}/v2/shop/tags/list?last=b&n=1000", Reply(body=b'{"tags": null}'))
    assert ask(server, lambda repository: repository.list_tags())[0] == ("a", "b")
    server.on(first, Reply(body=b'{"tags": []}', headers={"link": '<http://evil.example/>; rel="next"'}))
    with pytest.raises(Refused, match="another host"):
        ask(server, lambda repository: repository.list_tags())
    server.on(first, Reply(body=b'{"tags": [7]}'))
    with pytest.raises(Invalid, match="is none"):
        ask(server, lambda repository: repository.list_tags())


def test_a_search_falls_back_to_the_list_of_repositories() -> None:
    server = PlayedServer()
    server.on(f"{BASE}/v2/_catalog?n=1000", Reply(body=b'{"repositories": ["shop", "other", "a/shop"]}'))

    async def main(loop: object) -> list[str]:
        del loop
        return [each.name for each in await search(list_plain_origins(server), "shop", limit=5)]

    assert run_virtually(main) == ["shop", "a/shop"]
    results = {"results": [{"name": "shop", "star_count": 3, "is_official": True, "description": "a\nb"}]}
    server.on(f"{BASE}/v1/search?q=shop&n=5", Reply(body=json.dumps(results).encode()))
    assert run_virtually(main) == ["shop"]
