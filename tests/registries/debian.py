"""Debian's docker-registry on an address of the test host."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.machine import wait_for
from tests.registries.keys import Identity
from tests.registries.tokens import ISSUER, SERVICE, TokenService


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryServer:
    """A registry that runs. `name` is HOST:PORT, as references have it."""

    name: str
    log_path: Path
    tls: bool = False
    login: tuple[str, str] | None = None
    _pairs: dict[str, str] = field(default_factory=dict)

    def copy_in(self, source: str, name: str) -> None:
        """Bring an image in by skopeo; `source` is in its words, such as oci:DIRECTORY:TAG."""
        self.skopeo("copy", "--all", *self._flags("dest"), source, f"docker://{self.name}/{name}")

    def copy_out(self, name: str, target: str) -> None:
        """Fetch an image by skopeo."""
        self.skopeo("copy", *self._flags("src"), f"docker://{self.name}/{name}", target)

    def skopeo(self, *words: str) -> str:
        """Run skopeo and return what it prints."""
        command = ["skopeo", "--insecure-policy", *words]
        answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout

    def count_requests(self, method: str, path: str) -> int:
        """Return how often something was asked for, as the registry's log has it."""
        return self.log_path.read_text(errors="replace").count(f'"{method} {path}')

    def _flags(self, side: str) -> list[str]:
        flags = [f"--{side}-tls-verify=false"]
        return [*flags, f"--{side}-creds={':'.join(self.login)}"] if self.login else flags


@contextmanager
def running_registry(
    path: Path,
    *,
    address: str = "127.0.0.1",
    identity: Identity | None = None,
    login: tuple[str, str] | None = None,
    tokens: TokenService | None = None,
    port: int = 0,
) -> Iterator[RegistryServer]:
    """Run a registry that keeps its content below `path`: open, with a password file, or with a token service.

    It listens on a free port unless one is named.
    """
    path.mkdir(parents=True, exist_ok=True)
    name = f"{address}:{port or find_free_port(address)}"
    config_path, log_path = path / "config.yml", path / "registry.log"
    config_path.write_text(yaml.safe_dump(_render_config(path, name, identity, login, tokens)))
    with log_path.open("wb") as log:
        server = subprocess.Popen(["docker-registry", "serve", str(config_path)], stdout=log, stderr=log)
    try:
        wait_for(lambda: server.poll() is not None or _listens(name), "the registry")
        assert server.poll() is None, log_path.read_text()
        shown = (tokens.username, tokens.password) if tokens is not None else login
        yield RegistryServer(name=name, log_path=log_path, tls=identity is not None, login=shown)
    finally:
        server.kill()
        server.wait()


def _render_config(
    path: Path,
    name: str,
    identity: Identity | None,
    login: tuple[str, str] | None,
    tokens: TokenService | None,
) -> dict[str, Any]:
    http: dict[str, Any] = {"addr": name, "secret": "tests", "relativeurls": True}
    if identity is not None:
        http["tls"] = {"certificate": str(identity.certificate_path), "key": str(identity.key_path)}
    config: dict[str, Any] = {
        "version": 0.1,
        "log": {"level": "info"},
        "storage": {"filesystem": {"rootdirectory": str(path / "content")}, "delete": {"enabled": True}},
        "http": http,
    }
    if login is not None:
        command = ["htpasswd", "-nbB", "-C", "4", *login]
        entry = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        (path / "htpasswd").write_text(entry)
        config["auth"] = {"htpasswd": {"realm": "tests", "path": str(path / "htpasswd")}}
    if tokens is not None:
        bundle = str(tokens.signer.certificate_path)
        config["auth"] = {
            "token": {"realm": tokens.realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": bundle}
        }
    return config


def find_free_port(address: str) -> int:
    """Return a port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port


def _listens(name: str) -> bool:
    address, _, port = name.rpartition(":")
    try:
        socket.create_connection((address, int(port)), timeout=1).close()
    except OSError:
        return False
    return True
