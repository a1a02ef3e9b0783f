"""Docker's own configuration file, which hold shares: `$DOCKER_CONFIG/config.json` or `~/.docker/config.json`.

What hold does not know in it stays as it is. https://docs.docker.com/reference/cli/docker/#configuration-files
"""

import base64
import binascii
import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from controller.cli.client import Failure

_FILE_NAME = "config.json"


class DockerConfig:
    """The file as it was read; `auths` maps servers to entries. Failure when it can't be read as JSON."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fields = _read(path)

    @property
    def auths(self) -> dict[str, dict[str, Any]]:
        """Entries by server; changes count once `write` is called."""
        entries: dict[str, dict[str, Any]] = self._fields.setdefault("auths", {})
        return entries

    @property
    def helpers(self) -> dict[str, str]:
        """Names of the helpers that keep the credentials of single servers."""
        found = self._fields.get("credHelpers")
        return {str(name): str(helper) for name, helper in found.items()} if isinstance(found, dict) else {}

    @property
    def store(self) -> str:
        """Name of the helper that keeps all other credentials, empty when the file itself does."""
        return str(self._fields.get("credsStore") or "")

    def write(self) -> None:
        """Replace the file whole, readable for its owner alone; a link stays, what it points to is replaced."""
        target = Path(os.path.realpath(self.path))
        text = json.dumps(self._fields, indent="\t", ensure_ascii=False)
        try:
            descriptor, name = tempfile.mkstemp(prefix=f"{_FILE_NAME}.", dir=target.parent)
            with _removed_on_failure(Path(name)), os.fdopen(descriptor, "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
                _keep_owner(target, file.fileno())
                Path(name).replace(target)
        except OSError as error:
            raise _complain(self.path, "written", error) from error


@contextlib.contextmanager
def changing(path: Path) -> Iterator[DockerConfig]:
    """Read the file for a change that nobody else of hold makes at the same time; the block writes it."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory_fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise _complain(path, "written", error) from error
    try:
        fcntl.flock(directory_fd, fcntl.LOCK_EX)
        yield DockerConfig(path)
    finally:
        os.close(directory_fd)


def find_config(environment: Mapping[str, str]) -> Path:
    """Return the path of the file, whether it is there or not."""
    directory = environment.get("DOCKER_CONFIG")
    return (Path(directory) if directory else Path.home() / ".docker") / _FILE_NAME


def encode_auth(username: str, password: str) -> str:
    """Return the value of `auth` in an entry."""
    return base64.b64encode(f"{username}:{password}".encode()).decode()


def decode_auth(text: str, server: str) -> tuple[str, str]:
    """Return user name and password of an entry; Failure when they can't be made out."""
    try:
        whole = base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Failure(f"the entry of {server} in Docker's config.json is spoiled: log in again") from error
    username, colon, password = whole.partition(":")
    if not colon or not username:
        raise Failure(f"the entry of {server} in Docker's config.json has no user name: log in again")
    return username, password.strip("\0")


def _read(path: Path) -> dict[str, Any]:
    try:
        fields = json.loads(path.read_bytes() or b"{}")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise _complain(path, "read", error) from error
    except ValueError as error:
        raise Failure(f"{path} is not JSON: {error}; mend it or move it away") from error
    if not isinstance(fields, dict) or not isinstance(fields.get("auths", {}), dict):
        raise Failure(f"{path} is not a configuration of Docker; mend it or move it away")
    return fields


@contextlib.contextmanager
def _removed_on_failure(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError:
        path.unlink(missing_ok=True)
        raise


def _keep_owner(path: Path, descriptor: int) -> None:
    """Give a new file the owner of the old one, so that a login by sudo does not take it away."""
    with contextlib.suppress(FileNotFoundError, PermissionError):
        status = path.stat()
        os.fchown(descriptor, status.st_uid, status.st_gid)


def _complain(path: Path, verb: str, error: OSError) -> Failure:
    return Failure(f"{path} can't be {verb}: {(error.strerror or str(error)).lower()}")
