"""login, logout: credentials for registries, kept where Docker keeps them."""

import argparse
import os
import sys

from controller.api.v1 import registry_pb2
from controller.cli.client import FAILED_PRECONDITION, Client, Failure
from controller.cli.credentials import (
    Credentials,
    derive_host,
    derive_server,
    erase_credentials,
    find_credentials,
    store_credentials,
)
from controller.cli.docker_config import find_config
from controller.cli.transport import CallFailed
from controller.model.image_reference import parse_registry

_HELP_URL = "https://docs.docker.com/go/credential-store/"


def add_login(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold login`."""
    parser.add_argument(
        "server",
        nargs="?",
        default="",
        metavar="SERVER",
        help="Registry, HOST[:PORT]; Docker Hub by default.",
    )
    parser.add_argument("-u", "--username", default="", help="User name; asked for by default.")
    parser.add_argument(
        "-p",
        "--password",
        default=None,
        help="Password or token; others may see it, prefer --password-stdin.",
    )
    parser.add_argument(
        "--password-stdin", action="store_true", help="Take the password or token from standard input."
    )


def run_login(client: Client, options: argparse.Namespace) -> int:
    """Have the registry check credentials, then keep them."""
    server = _read_server(options.server)
    given = _read_flags(options)
    if not options.username and given is None and _renew(client, server):
        print("Login Succeeded")
        return 0
    username = options.username or _ask("Username: ")
    password = given if given is not None else _ask_hidden("Password: ")
    if not username or not password:
        raise Failure("user name and password can't be empty")
    credentials = Credentials(username=username, password=password)
    check_login(client, server, credentials)
    if not store_credentials(server, credentials, os.environ):
        place = find_config(os.environ)
        print(
            f"WARNING! Your credentials are stored unencrypted in '{place}'.\n"
            f"Configure a credential helper to remove this warning. See\n{_HELP_URL}\n",
            file=sys.stderr,
        )
    print("Login Succeeded")
    return 0


def _read_server(text: str) -> str:
    """Return the name that a registry's login is kept under. Failure when the word is no registry."""
    try:
        return derive_server(parse_registry(text) if text else "")
    except ValueError as error:
        raise Failure(str(error)) from error


def _read_flags(options: argparse.Namespace) -> str | None:
    """Return the password that flags give, None when they give none. Failure when they contradict each other."""
    if options.password_stdin:
        if options.password is not None:
            raise Failure("--password and --password-stdin are mutually exclusive")
        if not options.username:
            raise Failure("--password-stdin wants a user name too: add --username")
        password = sys.stdin.read().rstrip("\r\n")
        if not password:
            raise Failure("standard input has no password")
        return password
    if options.password is None:
        return None
    print("WARNING! Using --password via the CLI is insecure. Use --password-stdin.", file=sys.stderr)
    return str(options.password)


def _renew(client: Client, server: str) -> bool:
    """Check what is kept already; False when nothing is, or when the registry refuses it."""
    kept = find_credentials(server)
    if kept is None:
        return False
    print("Authenticating with existing credentials...", file=sys.stderr)
    try:
        check_login(client, server, kept)
    except CallFailed as error:
        if error.code != FAILED_PRECONDITION:
            raise
        print(f"Login did not succeed: {error.message}", file=sys.stderr)
        return False
    return True


def check_login(client: Client, server: str, credentials: Credentials) -> None:
    """Return when the registry lets somebody in; CallFailed when it does not, or can't be reached."""
    request = registry_pb2.CheckLoginRequest(
        registry=derive_host(server),
        credential=registry_pb2.RegistryCredential(
            username=credentials.username,
            password=credentials.password,
            identity_token=credentials.identity_token,
            registry_token=credentials.registry_token,
        ),
    )
    client.channel.unary("RegistryService/CheckLogin", request, registry_pb2.CheckLoginResponse)


def _ask(prompt: str) -> str:
    if not sys.stdin.isatty():
        raise Failure("there is no terminal to ask at: give --username and --password-stdin")
    print(prompt, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()


def _ask_hidden(prompt: str) -> str:
    import getpass

    if not sys.stdin.isatty():
        raise Failure("there is no terminal to ask at: give --password-stdin")
    return getpass.getpass(prompt)


def add_logout(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold logout`."""
    parser.add_argument(
        "server",
        nargs="?",
        default="",
        metavar="SERVER",
        help="Registry, HOST[:PORT]; Docker Hub by default.",
    )


def run_logout(_: Client, options: argparse.Namespace) -> int:
    """Forget the credentials for a registry; that there are none is no error."""
    server = _read_server(options.server)
    if erase_credentials(server, os.environ):
        print(f"Removing login credentials for {server}")
    else:
        print(f"Not logged in to {server}")
    return 0
