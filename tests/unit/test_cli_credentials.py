"""Credentials are kept where Docker keeps them, and as Docker reads them."""

import base64
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from controller.cli.client import Failure
from controller.cli.credentials import (
    DOCKER_HUB,
    Credentials,
    derive_server,
    erase_credentials,
    find_credentials,
    store_credentials,
)

HELPER = """#!/bin/sh
# Keeps what it is told in a file; its arguments are recorded, so that a test can look for secrets in them.
kept="{folder}/kept"
echo "$0 $*" >> "{folder}/arguments"
case "$1" in
store) cat > "$kept" ;;
get) read -r server; if grep -q "\\"$server\\"" "$kept" 2>/dev/null; then cat "$kept"
     else echo "credentials not found in native keychain"; exit 1; fi ;;
erase) rm -f "$kept" ;;
*) echo "no such verb"; exit 1 ;;
esac
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory for the configuration file, and for programs on PATH."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    program = tmp_path / "docker-credential-box"
    program.write_text(HELPER.format(folder=tmp_path))
    program.chmod(0o755)
    return tmp_path


def _write(folder: Path, **fields: object) -> None:
    (folder / "config.json").write_text(json.dumps(fields))


def _read(folder: Path) -> object:
    return json.loads((folder / "config.json").read_text())


def _encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("registry", "server"),
    [
        ("docker.io", DOCKER_HUB),
        ("index.docker.io", DOCKER_HUB),
        ("registry-1.docker.io", DOCKER_HUB),
        ("", DOCKER_HUB),
        (DOCKER_HUB, DOCKER_HUB),
        ("reg.example:5000", "reg.example:5000"),
        ("https://reg.example/v2/", "reg.example"),
    ],
)
def test_a_registry_has_the_name_that_docker_gives_it(registry: str, server: str) -> None:
    assert derive_server(registry) == server


@pytest.mark.parametrize(
    ("key", "entry", "found"),
    [
        ("r.example", {"auth": _encode("ann:pa:ss")}, Credentials(username="ann", password="pa:ss")),
        ("https://r.example/v1/", {"auth": _encode("ann:x")}, Credentials(username="ann", password="x")),
        ("r.example", {"username": "ann", "password": "x"}, Credentials(username="ann", password="x")),
        ("r.example", {"auth": _encode("ann:"), "identitytoken": "t"}, Credentials(identity_token="t")),
        ("r.example", {"registrytoken": "t"}, Credentials(registry_token="t")),
        ("r.example", {}, None),
        ("r.example:5000", {"auth": _encode("ann:x")}, None),
    ],
)
def test_entries_of_the_file(
    folder: Path, key: str, entry: dict[str, str], found: Credentials | None
) -> None:
    _write(folder, auths={key: entry})
    assert find_credentials("r.example") == found


def test_without_a_file_there_are_none(folder: Path) -> None:
    assert find_credentials("r.example") is None
    assert not erase_credentials("r.example", {"DOCKER_CONFIG": str(folder)})


@pytest.mark.parametrize("text", ["{", "[]", '{"auths": []}'])
def test_a_spoiled_file_is_told_and_kept(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    with pytest.raises(Failure, match=r"config\.json"):
        store_credentials("r", Credentials(username="a", password="b"), {"DOCKER_CONFIG": str(folder)})
    assert (folder / "config.json").read_text() == text


@pytest.mark.parametrize("auth", ["%%%", _encode("nocolon"), _encode(":x")])
def test_a_spoiled_entry_is_told(folder: Path, auth: str) -> None:
    _write(folder, auths={"r": {"auth": auth}})
    with pytest.raises(Failure, match="log in again"):
        find_credentials("r")


def test_a_login_keeps_what_else_is_in_the_file(folder: Path) -> None:
    _write(folder, auths={"other": {"auth": "x"}}, detachKeys="ctrl-q", plugins={"a": {"b": "c"}})
    environment = {"DOCKER_CONFIG": str(folder)}
    assert store_credentials("r.example", Credentials(username="ann", password="höld"), environment) == ""
    assert _read(folder) == {
        "auths": {"other": {"auth": "x"}, "r.example": {"auth": _encode("ann:höld")}},
        "detachKeys": "ctrl-q",
        "plugins": {"a": {"b": "c"}},
    }
    assert stat.S_IMODE((folder / "config.json").stat().st_mode) == 0o600
    assert find_credentials("r.example") == Credentials(username="ann", password="höld")
    assert erase_credentials("r.example", environment)
    assert _read(folder) == {
        "auths": {"other": {"auth": "x"}},
        "detachKeys": "ctrl-q",
        "plugins": {"a": {"b": "c"}},
    }
    assert not erase_credentials("r.example", environment)
    assert {path.name for path in folder.iterdir()} == {"config.json", "docker-credential-box"}


def test_a_file_that_is_a_link_stays_one(folder: Path) -> None:
    real = folder / "real.json"
    real.write_text('{"a": 1}')
    (folder / "config.json").symlink_to(real)
    store_credentials("r", Credentials(username="a", password="b"), {"DOCKER_CONFIG": str(folder)})
    assert (folder / "config.json").is_symlink()
    assert json.loads(real.read_text())["a"] == 1


def test_the_directory_is_made_for_its_owner_alone(folder: Path) -> None:
    directory = folder / "new"
    store_credentials("r", Credentials(username="a", password="b"), {"DOCKER_CONFIG": str(directory)})
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


@pytest.mark.parametrize("fields", [{"credsStore": "box"}, {"credHelpers": {"r.example": "box"}}])
@pytest.mark.parametrize(
    "credentials", [Credentials(username="ann", password="s3cret"), Credentials(identity_token="s3cret")]
)
def test_a_helper_keeps_secrets_and_no_argument_tells_them(
    folder: Path, fields: dict[str, Any], credentials: Credentials
) -> None:
    _write(folder, **fields)
    environment = {"DOCKER_CONFIG": str(folder)}
    assert find_credentials("r.example") is None
    assert store_credentials("r.example", credentials, environment) == "box"
    assert _read(folder) == {**fields, "auths": {"r.example": {}}}
    assert find_credentials("r.example") == credentials
    assert erase_credentials("r.example", environment)
    assert find_credentials("r.example") is None
    assert "s3cret" not in (folder / "arguments").read_text()


def test_docker_hub_has_its_helper_by_any_name(folder: Path) -> None:
    _write(folder, credHelpers={"docker.io": "box"})
    store_credentials(DOCKER_HUB, Credentials(username="ann", password="x"), {"DOCKER_CONFIG": str(folder)})
    assert find_credentials("docker.io") == Credentials(username="ann", password="x")


def test_a_helper_that_is_missing_or_fails_is_named(folder: Path) -> None:
    _write(folder, credsStore="nosuch")
    with pytest.raises(Failure, match="docker-credential-nosuch"):
        find_credentials("r")
    program = folder / "docker-credential-bad"
    program.write_text("#!/bin/sh\necho the keychain is locked\nexit 1\n")
    program.chmod(0o755)
    _write(folder, credsStore="bad")
    with pytest.raises(Failure, match="the keychain is locked"):
        find_credentials("r")
    _write(folder, credsStore="../x")
    with pytest.raises(Failure, match="not the name"):
        find_credentials("r")
