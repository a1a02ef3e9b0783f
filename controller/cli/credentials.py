"""Credentials for registries, where Docker keeps them: the configuration file, a helper for one registry, a store."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from controller.cli.credential_helper import TOKEN_USER, CredentialHelper
from controller.cli.docker_config import DockerConfig, changing, decode_auth, encode_auth, find_config

DOCKER_HUB = "https://index.docker.io/v1/"
"""The name that credentials of Docker Hub are kept under."""

_HUB_NAMES = ("docker.io", "index.docker.io", "registry-1.docker.io", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """User name and password, or an identity token that a token server gave in their place, or a registry's own token."""

    username: str = ""
    password: str = ""
    identity_token: str = ""
    registry_token: str = ""


def find_credentials(registry: str, environment: Mapping[str, str] | None = None) -> Credentials | None:
    """Return what is kept for a registry (`HOST[:PORT]`), None when nothing is.

    Failure when the configuration file or a helper that it names can't be read.
    """
    config = DockerConfig(find_config(os.environ if environment is None else environment))
    server = derive_server(registry)
    helper = _find_helper(config, server)
    if helper:
        return _ask_helper(CredentialHelper(helper), server)
    entry = config.auths.get(server) or next(
        (entry for name, entry in config.auths.items() if derive_server(name) == server), None
    )
    if not entry:
        return None
    if entry.get("registrytoken"):
        return Credentials(registry_token=str(entry["registrytoken"]))
    if entry.get("identitytoken"):
        return Credentials(identity_token=str(entry["identitytoken"]))
    if entry.get("auth"):
        username, password = decode_auth(str(entry["auth"]), server)
    else:
        username, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    return Credentials(username=username, password=password) if username else None


def _find_helper(config: DockerConfig, server: str) -> str:
    """Return the helper that keeps a server's credentials: its own, else the store for all; empty for the file."""
    own = {derive_server(name): helper for name, helper in config.helpers.items()}
    return own.get(server) or config.store


def _ask_helper(helper: CredentialHelper, server: str) -> Credentials | None:
    found = helper.get(server)
    if found is None:
        return None
    username, secret = found
    if username == TOKEN_USER:
        return Credentials(identity_token=secret)
    return Credentials(username=username, password=secret)


def store_credentials(server: str, credentials: Credentials, environment: Mapping[str, str]) -> str:
    """Keep credentials where the configuration says; returns the helper that has them, empty for the file itself."""
    with changing(find_config(environment)) as config:
        helper = _find_helper(config, server)
        if helper:
            token = credentials.identity_token
            username, secret = (TOKEN_USER, token) if token else (credentials.username, credentials.password)
            CredentialHelper(helper).store(server, username, secret)
            config.auths[server] = {}
        elif credentials.identity_token:
            auth = encode_auth(credentials.username or TOKEN_USER, "")
            config.auths[server] = {"auth": auth, "identitytoken": credentials.identity_token}
        else:
            config.auths[server] = {"auth": encode_auth(credentials.username, credentials.password)}
        config.write()
    return helper


def erase_credentials(server: str, environment: Mapping[str, str]) -> bool:
    """Forget what is kept for a server, also under older spellings of its name; False when nothing was."""
    with changing(find_config(environment)) as config:
        helper = _find_helper(config, server)
        names = {name for name in config.auths if derive_server(name) == derive_server(server)}
        kept = bool(names)
        if helper:
            keeper = CredentialHelper(helper)
            kept = kept or keeper.get(server) is not None
            for name in sorted({server, *names}):
                keeper.erase(name)
        for name in names:
            del config.auths[name]
        if names:
            config.write()
    return kept


def derive_server(registry: str) -> str:
    """Return the name that credentials of a registry are kept under: its host and port, Docker Hub's by its old address."""
    host = derive_host(registry)
    return DOCKER_HUB if host in _HUB_NAMES else host


def derive_host(server: str) -> str:
    """Return `HOST[:PORT]` of an address with or without scheme and path."""
    return server.removeprefix("https://").removeprefix("http://").partition("/")[0]
