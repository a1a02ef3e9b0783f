"""Debian's registry with each way to log in, and images that other programs push and pull."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.errors import HoldError, NotFound, Refused
from controller.model.image_reference import parse_reference
from controller.model.pulls import TransferState
from controller.model.registries import Credential, RegistrySettings
from tests.kernel.registry_client import make_client
from tests.registries.debian import running_registry
from tests.registries.keys import Identity, make_authority, make_server_identity
from tests.registries.layouts import digest_of, make_image, make_index, write_layout
from tests.registries.tokens import TokenService, serving_tokens

ADDRESS = "192.0.2.77"
"""Of this host, but not of its loopback network, which nobody has to vouch for."""
LARGE = bytes(range(256)) * 100
IMAGE = make_image([{"a": LARGE}, {"b": b"2"}], annotations={"foreign": "kept"})
ARM = make_image([{"a": b"arm"}], architecture="arm64")
INDEX = make_index({"linux/arm64/v8": ARM, "linux/amd64": IMAGE})
LOGIN = ("me", "pass:word")


@pytest.fixture
def layout(tmp_path: Path) -> str:
    """The images as skopeo reads them, `:one` and `:many`."""
    path = tmp_path / "layout"
    write_layout(path, {"one": IMAGE, "many": INDEX})
    return f"oci:{path}"


@pytest.fixture
def authority(tmp_path: Path) -> Identity:
    return make_authority(tmp_path, "authority")


@pytest.fixture
def server_identity(tmp_path: Path, authority: Identity) -> Iterator[Identity]:
    """A certificate for an address that this host has for the length of the test."""
    subprocess.run(["ip", "address", "add", f"{ADDRESS}/32", "dev", "lo"], check=True)
    try:
        yield make_server_identity(tmp_path, authority, ADDRESS)
    finally:
        subprocess.run(["ip", "address", "delete", f"{ADDRESS}/32", "dev", "lo"], check=True)


def trust(path: Path, authority: Identity, *places: str) -> None:
    for place in places:
        (path / "certs" / place).mkdir(parents=True)
        (path / "certs" / place / "ca.crt").write_bytes(authority.certificate_path.read_bytes())


async def test_by_tag_by_digest_by_platform(tmp_path: Path, layout: str) -> None:
    with running_registry(tmp_path / "plain") as server:
        await asyncio.to_thread(server.copy_in, f"{layout}:many", "shop:1")
        client = await make_client(tmp_path / "client")
        pulled = await client.pull(f"{server.name}/shop:1")
        assert (pulled.digest, pulled.facts.manifest_digest) == (INDEX.manifest_digest, IMAGE.manifest_digest)
        kept = b"".join([chunk async for chunk in client.store.read_blob(IMAGE.manifest_digest)])
        assert kept == IMAGE.blobs[IMAGE.manifest_digest]
        arm = await client.pull(f"{server.name}/shop:1", platform="linux/arm64")
        assert arm.facts.manifest_digest == ARM.manifest_digest
        exact = await client.pull(f"{server.name}/shop@{IMAGE.manifest_digest}")
        assert exact.facts.id == pulled.facts.id
        assert {each.state for each in client.transfers} == {TransferState.WAITING, TransferState.PRESENT}
        for name, told in (
            ("shop:nosuch", "manifest unknown"),
            (f"shop@{digest_of(b'no such')}", "manifest unknown"),
            ("nosuch", "does not exist in the registry"),
        ):
            with pytest.raises(NotFound, match=told):
                await client.pull(f"{server.name}/{name}")
        with pytest.raises(NotFound, match="only linux/arm64, linux/amd64"):
            await client.pull(f"{server.name}/shop:1", platform="linux/s390x")
        with pytest.raises(NotFound, match="is for linux/amd64 alone"):
            await client.pull(f"{server.name}/shop@{IMAGE.manifest_digest}", platform="linux/arm64")
        for digest in IMAGE.layer_digests:
            assert server.count_requests("GET", f"/v2/shop/blobs/{digest}") == 1


async def test_pushed_content_is_what_others_get(tmp_path: Path, layout: str) -> None:
    with running_registry(tmp_path / "plain") as server:
        await asyncio.to_thread(server.copy_in, f"{layout}:one", "shop:1")
        client = await make_client(tmp_path / "client")
        pulled = await client.pull(f"{server.name}/shop:1")
        digest = pulled.facts.manifest_digest
        kindred = dict.fromkeys(pulled.facts.layers, "shop")
        assert set(await client.push(f"{server.name}/a/mounted:1", digest, kindred=kindred)) == {
            TransferState.MOUNTED
        }
        states = await client.push(f"{server.name}/sent:1", digest)
        assert TransferState.PUSHED in states
        assert set(await client.push(f"{server.name}/sent:2", digest)) == {TransferState.PRESENT}
        target = tmp_path / "copied"
        await asyncio.to_thread(server.copy_out, "sent:2", f"dir:{target}")
        assert (target / "manifest.json").read_bytes() == IMAGE.blobs[IMAGE.manifest_digest]
        reference = parse_reference(f"{server.name}/sent")
        assert sorted(await client.access.list_tags(reference, credential=Credential())) == ["1", "2"]
        found = await client.access.search(server.name, "moun", limit=9, credential=Credential())
        assert [each.name for each in found] == ["a/mounted"]


async def test_a_password_file(tmp_path: Path, layout: str) -> None:
    with running_registry(tmp_path / "guarded", login=LOGIN) as server:
        await asyncio.to_thread(server.copy_in, f"{layout}:one", "shop:1")
        client = await make_client(tmp_path / "client")
        name = f"{server.name}/shop:1"
        with pytest.raises(Refused, match="log in by `hold login"):
            await client.pull(name)
        asking = await make_client(tmp_path / "asking", registries={server.name: RegistrySettings()})
        assert [each async for each in asking.client.examine()] == [(server.name, "")]
        with pytest.raises(Refused, match="refuses the login"):
            await client.pull(name, login=("me", "wrong"))
        with pytest.raises(Refused, match=r"user me: .* refuses the login"):
            await client.access.check_login(server.name, Credential(username="me", password="wrong"))
        await client.access.check_login(server.name, Credential(username=LOGIN[0], password=LOGIN[1]))
        pulled = await client.pull(name, login=LOGIN)
        await client.push(f"{server.name}/new:1", pulled.facts.manifest_digest, login=LOGIN)


async def test_tokens_behind_tls_of_an_own_authority(
    tmp_path: Path, layout: str, authority: Identity, server_identity: Identity
) -> None:
    signer = make_authority(tmp_path, "signer")
    service = TokenService(address=ADDRESS, signer=signer, server_identity=server_identity)
    with (
        serving_tokens(service),
        running_registry(
            tmp_path / "tokens", address=ADDRESS, identity=server_identity, tokens=service
        ) as server,
    ):
        login = (service.username, service.password)
        for name in ("public/shop:1", "private/shop:1"):
            await asyncio.to_thread(server.copy_in, f"{layout}:one", name)
        client = await make_client(tmp_path / "client")
        with pytest.raises(Refused, match="nobody vouches for the certificate"):
            await client.pull(f"{server.name}/public/shop:1")
        trust(tmp_path / "client", authority, server.name, f"{ADDRESS}:{service.port}")
        pulled = await client.pull(f"{server.name}/public/shop:1")
        with pytest.raises(Refused, match="log in by"):
            await client.pull(f"{server.name}/private/shop:1")
        with pytest.raises(Refused, match="refuses the login"):
            await client.pull(f"{server.name}/private/shop:1", login=("user", "wrong"))
        with pytest.raises(Refused, match="refuses the login"):
            await client.access.check_login(server.name, Credential(username="user", password="wrong"))
        await client.access.check_login(server.name, Credential(username=login[0], password=login[1]))
        await client.pull(f"{server.name}/private/shop:1", login=login)
        service.asked.clear()
        kindred = dict.fromkeys(pulled.facts.layers, "public/shop")
        states = await client.push(
            f"{server.name}/private/new:1", pulled.facts.manifest_digest, login=login, kindred=kindred
        )
        assert set(states) == {TransferState.MOUNTED}
        assert "repository:private/new:pull,push" in service.asked
        assert "repository:public/shop:pull" in service.asked
        named = RegistrySettings(ca=str(authority.certificate_path))
        places = dict.fromkeys((server.name, f"{ADDRESS}:{service.port}"), named)
        believing = await make_client(tmp_path / "believing", registries=places)
        await believing.pull(f"{server.name}/public/shop:1")
        insecure = await make_client(
            tmp_path / "careless", registries={f"{ADDRESS}/32": RegistrySettings(insecure=True)}
        )
        await insecure.pull(f"{server.name}/public/shop:1")


async def test_a_mirror_is_asked_first_and_may_lack_things(tmp_path: Path, layout: str) -> None:
    with (
        running_registry(tmp_path / "mirror") as mirror,
        running_registry(tmp_path / "origin") as origin,
    ):
        for server, name in ((mirror, "library/shop:1"), (origin, "library/shop:2")):
            await asyncio.to_thread(server.copy_in, f"{layout}:one", name)
        settings = RegistrySettings(mirrors=(f"http://{mirror.name}",))
        client = await make_client(tmp_path / "client", registries={origin.name: settings})
        await client.pull(f"{origin.name}/library/shop:1")
        await client.pull(f"{origin.name}/library/shop:2")
        examined = [each async for each in client.client.examine()]
        assert examined == [(mirror.name, ""), (origin.name, "")]
        assert mirror.count_requests("GET", "/v2/library/shop/manifests/2") == 1
        assert origin.count_requests("GET", "/v2/library/shop/manifests/1") == 0


async def test_the_daemons_own_login_is_used_for_what_nobody_logged_in_for(
    tmp_path: Path, layout: str
) -> None:
    with running_registry(tmp_path / "guarded", login=LOGIN) as server:
        await asyncio.to_thread(server.copy_in, f"{layout}:one", "shop:1")
        client = await make_client(tmp_path / "client")
        config = f'{{"auths": {{"https://{server.name}/v1/": {{"auth": "bWU6cGFzczp3b3Jk"}}}}}}'
        (tmp_path / "client/config.json").write_text(config)
        reference = parse_reference(f"{server.name}/shop:1")
        pulled = await client.access.pull(
            reference, platform=None, credential=None, report=client.transfers.append
        )
        assert pulled.digest == IMAGE.manifest_digest
        (tmp_path / "client/config.json").write_text("{")
        with pytest.raises(HoldError, match="is not JSON"):
            await client.access.pull(
                reference, platform=None, credential=None, report=client.transfers.append
            )
