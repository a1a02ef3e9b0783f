"""References to images: Docker's grammar and defaults, and what is said about what is wrong."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.model.image import complete_image_name
from controller.model.image_reference import ImageReference, parse_reference, parse_registry

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("text", "whole", "familiar"),
    [
        ("alpine", "docker.io/library/alpine", "alpine"),
        ("alpine:3.20", "docker.io/library/alpine:3.20", "alpine:3.20"),
        ("docker.io/alpine", "docker.io/library/alpine", "alpine"),
        ("index.docker.io/library/alpine", "docker.io/library/alpine", "alpine"),
        ("docker.io/library/alpine@" + DIGEST, f"docker.io/library/alpine@{DIGEST}", f"alpine@{DIGEST}"),
        ("me/app", "docker.io/me/app", "me/app"),
        ("library/a/b", "docker.io/library/a/b", "library/a/b"),
        ("localhost/app:1", "localhost/app:1", "localhost/app:1"),
        ("localhost:5000/app", "localhost:5000/app", "localhost:5000/app"),
        (
            "reg.example/a/b/c:v1@" + DIGEST,
            f"reg.example/a/b/c:v1@{DIGEST}",
            f"reg.example/a/b/c:v1@{DIGEST}",
        ),
        ("[::1]:5000/app:1", "[::1]:5000/app:1", "[::1]:5000/app:1"),
        ("Registry/app", "Registry/app", "Registry/app"),
        ("a__b-c--d/e.f", "docker.io/a__b-c--d/e.f", "a__b-c--d/e.f"),
        ("foo:5000", "docker.io/library/foo:5000", "foo:5000"),
    ],
)
def test_a_reference_is_read_as_docker_reads_it(text: str, whole: str, familiar: str) -> None:
    reference = parse_reference(text)
    assert (str(reference), reference.familiar) == (whole, familiar)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is empty"),
        ("https://reg.example/app", "leave out https://"),
        ("f" * 64, "is an image's id"),
        ("Shop", "use lower-case letters"),
        ("shop:", "'' is not a tag"),
        ("shop:-1", "is not a tag"),
        ("shop:" + "a" * 129, "is not a tag"),
        ("shop@md5:00", "'md5' is not a digest's algorithm"),
        ("shop@", "'' is not a digest"),
        ("shop@sha256:12", "64 hex digits"),
        ("shop@sha256:" + "AB" * 32, "64 hex digits"),
        ("a//b", "has an empty part"),
        ("/a", "has an empty part"),
        ("a/", "has an empty part"),
        ("a..b", "'a..b' can't be part"),
        ("-a", "'-a' can't be part"),
        ("reg_1.example/app", "'reg_1.example' is not a registry"),
        ("reg.example:port/app", "is not a registry"),
        ("../../etc/passwd", "is not a registry"),
        ("a b", "can't be part"),
        ("a/" * 130 + "b", "longer than 255"),
    ],
)
def test_what_is_no_reference_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        parse_reference(text)


COMPONENTS = st.from_regex(r"[a-z0-9]{1,6}(?:(?:[._]|__|-{1,2})[a-z0-9]{1,6}){0,2}", fullmatch=True)
REGISTRIES = st.sampled_from(
    ["docker.io", "localhost", "localhost:5000", "reg.example", "10.0.0.1:80", "[fe80::1]:5000"]
)
REFERENCES = st.builds(
    ImageReference,
    registry=REGISTRIES,
    repository=st.lists(COMPONENTS, min_size=2, max_size=4).map("/".join),
    tag=st.one_of(st.just(""), st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,20}", fullmatch=True)),
    digest=st.one_of(
        st.just(""), st.binary(min_size=32, max_size=32).map(lambda each: f"sha256:{each.hex()}")
    ),
)


@given(REFERENCES)
def test_what_is_written_is_read_again_the_same(reference: ImageReference) -> None:
    assert parse_reference(str(reference)) == reference


@given(REFERENCES)
def test_the_familiar_form_means_the_same(reference: ImageReference) -> None:
    if not reference.familiar_name.partition("/")[0].startswith(("docker.io", "localhost", "index.")):
        assert parse_reference(reference.familiar) == reference


@given(st.text(alphabet="aA0._-/:@[]s256 \n\x00ä", max_size=40))
def test_any_text_is_a_reference_or_refused(text: str) -> None:
    try:
        reference = parse_reference(text)
    except ValueError:
        return
    assert parse_reference(str(reference)) == reference


def test_names_of_images_are_completed_to_their_familiar_form() -> None:
    assert complete_image_name("docker.io/library/shop") == "shop:latest"
    assert complete_image_name("reg.example/shop") == "reg.example/shop:latest"
    assert complete_image_name(f"shop@{DIGEST}") == f"shop@{DIGEST}"
    assert complete_image_name("Not-a-reference:1") == "Not-a-reference:1"
    assert complete_image_name("Old") == "Old:latest"


@pytest.mark.parametrize(
    ("text", "registry"),
    [
        ("https://index.docker.io/v1/", "docker.io"),
        ("", "docker.io"),
        ("http://reg:5000/v2/", "reg:5000"),
        ("reg.example", "reg.example"),
    ],
)
def test_a_registry_is_named_with_or_without_a_scheme(text: str, registry: str) -> None:
    assert parse_registry(text) == registry
