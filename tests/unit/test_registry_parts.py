"""The pure parts of the registry client: challenges, endpoints, proxies, platforms, waits, indexes."""

import json
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.errors import HoldError, Invalid, NotFound, Unsupported
from controller.images.registry.back_off import Patience, read_retry_after_s
from controller.images.registry.challenge import choose_challenge, parse_challenges
from controller.images.registry.endpoints import HOSTS, is_insecure, list_endpoints
from controller.images.registry.indexes import choose_entry, is_index
from controller.images.registry.proxies import Proxies
from controller.images.registry.refusals import explain_status, read_words
from controller.images.registry.trust import Trust
from controller.model.platforms import Platform, choose_platform, make_platform, parse_platform
from controller.model.registries import Credential, RegistrySettings, check_registries
from tests.registries.layouts import OCI_INDEX, make_image, make_index

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "scheme", "parameters"),
    [
        (
            ['Bearer realm="https://auth.example/token",service="reg",scope="repository:a/b:pull,push"'],
            "bearer",
            {"realm": "https://auth.example/token", "service": "reg", "scope": "repository:a/b:pull,push"},
        ),
        (['Basic realm="a \\"quoted\\" one"'], "basic", {"realm": 'a "quoted" one'}),
        (["basic"], "basic", {}),
        (
            ['Basic realm="x", Bearer realm=https://a/t , service=s'],
            "bearer",
            {"realm": "https://a/t", "service": "s"},
        ),
        (["Negotiate", 'BEARER Realm="https://a"'], "bearer", {"realm": "https://a"}),
        (['Bearer service="no realm"', "Basic realm=x"], "basic", {"realm": "x"}),
    ],
)
def test_a_challenge_is_read(headers: list[str], scheme: str, parameters: dict[str, str]) -> None:
    chosen = choose_challenge(parse_challenges(headers))
    assert chosen is not None
    assert (chosen.scheme, dict(chosen.parameters)) == (scheme, parameters)


@given(st.text(alphabet='Bearealm=", \\x\x00', max_size=60))
def test_any_header_is_read_or_left_aside(text: str) -> None:
    choose_challenge(parse_challenges([text, text]))


REGISTRIES = {
    "docker.io": RegistrySettings(mirrors=("https://mirror.example", "http://10.1.0.1:5000/hub")),
    "lab.example:5000": RegistrySettings(insecure=True),
    "10.0.0.0/8": RegistrySettings(insecure=True),
}


def test_mirrors_come_first_for_pulls_alone() -> None:
    found = list_endpoints("docker.io", REGISTRIES, mirrors=True, hosts=HOSTS)
    assert [(each.base_url, each.verified, each.mirror) for each in found] == [
        ("https://mirror.example", True, True),
        ("http://10.1.0.1:5000/hub", False, True),
        ("https://registry-1.docker.io", True, False),
    ]
    assert len(list_endpoints("docker.io", REGISTRIES, mirrors=False, hosts=HOSTS)) == 1


@pytest.mark.parametrize(
    ("registry", "insecure"),
    [
        ("lab.example:5000", True),
        ("lab.example", False),
        ("10.9.8.7:5000", True),
        ("11.9.8.7:5000", False),
        ("127.0.0.1:5000", True),
        ("[::1]:5000", True),
        ("localhost", True),
        ("localhost.example", False),
    ],
)
def test_who_may_be_insecure(registry: str, insecure: bool) -> None:
    assert is_insecure(registry, REGISTRIES) is insecure
    schemes = [
        each.base_url.partition(":")[0]
        for each in list_endpoints(registry, REGISTRIES, mirrors=True, hosts={})
    ]
    assert schemes == (["https", "http"] if insecure else ["https"])


@pytest.mark.parametrize("place", ["a b", "10.0.0.0/99", "https://", "host/path"])
def test_settings_are_for_registries_and_networks(place: str) -> None:
    if place == "https://":
        assert list(check_registries({place: RegistrySettings()})) == ["docker.io"]
        return
    with pytest.raises(ValueError, match="is n"):
        check_registries({place: RegistrySettings()})


@pytest.mark.parametrize("mirror", ["ftp://x", "https://", "https://user@x", "https://x?y"])
def test_a_mirror_is_an_address(mirror: str) -> None:
    with pytest.raises(ValueError, match="is not a mirror"):
        RegistrySettings.model_validate({"mirrors": [mirror]})


ENVIRONMENT = {
    "HTTP_PROXY": "upper:1",
    "http_proxy": "lower:1",
    "HTTPS_PROXY": "http://secure:2",
    "NO_PROXY": "local.example, .corp,10.0.0.0/8,reg.example:5000",
}


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("http://a.example/v2/", "http://lower:1"),
        ("https://a.example/v2/", "http://secure:2"),
        ("https://local.example/", None),
        ("https://sub.local.example/", None),
        ("https://notlocal.example/", "http://secure:2"),
        ("https://x.corp/", None),
        ("https://10.2.3.4:5000/", None),
        ("https://11.2.3.4/", "http://secure:2"),
        ("https://reg.example:5000/", None),
        ("https://reg.example/", "http://secure:2"),
        ("http://localhost:5000/", None),
        ("http://127.0.0.2/", None),
    ],
)
def test_which_proxy_is_taken(url: str, proxy: str | None) -> None:
    assert Proxies(ENVIRONMENT).choose(url) == proxy
    assert Proxies({}).choose(url) is None


@pytest.mark.parametrize(
    ("text", "platform"),
    [
        ("linux/arm64/v8", "linux/arm64"),
        ("arm64", "linux/arm64"),
        ("linux/aarch64", "linux/arm64"),
        ("Linux/X86_64", "linux/amd64"),
        ("linux/armhf", "linux/arm"),
        ("linux/arm/v6", "linux/arm/v6"),
        ("windows/amd64", "windows/amd64"),
    ],
)
def test_a_platform_has_one_spelling(text: str, platform: str) -> None:
    assert str(parse_platform(text)) == platform


@pytest.mark.parametrize("text", ["", "linux", "a/b/c/d", "linux//v8", "linux/arm 64"])
def test_what_is_no_platform_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a platform"):
        parse_platform(text)


@pytest.mark.parametrize(
    ("wanted", "offered", "chosen"),
    [
        ("linux/amd64", ["linux/arm64", "linux/amd64"], 1),
        ("linux/amd64", ["linux/amd64/v3", "linux/amd64"], 1),
        ("linux/arm64", ["linux/arm64/v8"], 0),
        ("linux/arm/v7", ["linux/arm/v5", "linux/arm/v6", "linux/arm64"], 1),
        ("linux/arm/v6", ["linux/arm/v7"], None),
        ("linux/arm/v5", ["linux/arm/v7", "linux/arm/v5"], 1),
        ("linux/riscv64", ["linux/amd64"], None),
        ("windows/amd64", ["linux/amd64"], None),
    ],
)
def test_the_best_platform_is_chosen(wanted: str, offered: list[str], chosen: int | None) -> None:
    assert choose_platform(parse_platform(wanted), [parse_platform(each) for each in offered]) == chosen


def test_waits_double_and_a_registry_may_ask_for_more() -> None:
    patience = Patience(first_wait_s=1, longest_wait_s=8, longest_asked_s=60)
    assert [patience.wait_s(failures, 0) for failures in (1, 2, 3, 4, 9)] == [1, 2, 4, 8, 8]
    assert (patience.wait_s(1, 30), patience.wait_s(1, 3600)) == (30, 60)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("", 0),
        ("7", 7),
        ("-7", 0),
        ("99999999", 86400),
        ("soon", 0),
        ("Thu, 01 Jan 2026 00:00:30 GMT", 30),
        ("Wed, 31 Dec 2025 00:00:00 GMT", 0),
    ],
)
def test_what_retry_after_asks_for(text: str, seconds: float) -> None:
    assert read_retry_after_s({"retry-after": text}, NOW) == seconds


def test_a_registrys_words_are_told_without_control_characters() -> None:
    content = json.dumps(
        {"errors": [{"code": "DENIED", "message": "no\x1b[31m way"}, {"code": "X"}]}
    ).encode()
    assert read_words(content) == "no [31m way; X"
    assert [read_words(each) for each in (b"", b"[]", b"{", b'{"errors": 7}', b"[" * 100_000)] == [""] * 5
    assert "no [31m way" in explain_status(403, content, about="shop:1").message


AMD64, ARM = make_image([{"a": b"1"}]), make_image([{"a": b"2"}], architecture="arm64")
INDEX = make_index({"linux/arm64/v8": ARM, "linux/amd64": AMD64})


def test_an_index_leads_to_the_platforms_manifest() -> None:
    content = INDEX.blobs[INDEX.manifest_digest]
    assert is_index(content, OCI_INDEX)
    assert not is_index(AMD64.blobs[AMD64.manifest_digest], "")
    assert choose_entry(content, make_platform("linux", "x86_64")).digest == AMD64.manifest_digest
    assert choose_entry(content, Platform(architecture="arm64")).digest == ARM.manifest_digest
    with pytest.raises(NotFound, match="nothing for linux/s390x in it, only linux/arm64, linux/amd64"):
        choose_entry(content, Platform(architecture="s390x"))


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ({"schemaVersion": 1, "name": "old"}, Unsupported),
        ({"schemaVersion": 2, "mediaType": "application/vnd.oci.artifact"}, Invalid),
        ({"schemaVersion": 2}, Invalid),
        ([], Invalid),
    ],
)
def test_what_is_neither_manifest_nor_index_is_refused(document: object, error: type[HoldError]) -> None:
    with pytest.raises(error):
        is_index(json.dumps(document).encode(), "")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["manifests", "mediaType", "schemaVersion", "digest", "platform", "os", "config"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_document_is_understood_or_refused(document: object) -> None:
    content = json.dumps(document).encode()
    for body in (
        lambda: is_index(content, ""),
        lambda: choose_entry(content, Platform(architecture="amd64")),
    ):
        try:
            body()
        except HoldError:
            continue


def test_secrets_are_not_shown() -> None:
    credential = Credential(username="me", password="hush", identity_token="hush", registry_token="hush")
    assert "hush" not in repr(credential)


async def test_certificates_are_read_again_when_they_change(tmp_path: Path) -> None:
    trust = Trust(directories=(str(tmp_path),), registries={})

    async def find() -> ssl.SSLContext:
        return await trust.find_context("lab.example", registry="lab.example", verified=True)

    first = await find()
    assert await find() is first
    assert await trust.find_context("lab.example", registry="lab.example", verified=False) is not first
    (tmp_path / "lab.example").mkdir()
    assert await find() is first
    certificate_path = tmp_path / "lab.example/ca.crt"
    certificate_path.write_text("none")
    with pytest.raises(Invalid, match=r"ca\.crt can't be used"):
        await find()
    certificate_path.unlink()
    assert await find() is first
