"""The daemon's own logins: entries of a configuration file of Docker, for pulls that nobody hands a login to."""

import asyncio
import base64
import binascii
import json
from pathlib import Path
from typing import Any

from controller.errors import Invalid, Refused
from controller.model.image_reference import parse_registry
from controller.model.registries import Credential


class KeyFile:
    """Reads the file anew each time; programs that keep secrets (`credHelpers`) are not asked."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    async def find(self, registry: str) -> Credential:
        """Return the login for a registry, an empty one when there is none. Invalid, Refused when the file is spoiled."""
        entries = await asyncio.to_thread(self._read)
        for name, entry in entries.items():
            if isinstance(entry, dict) and _names(name, registry):
                return _read_entry(entry)
        return Credential()

    def _read(self) -> dict[str, Any]:
        try:
            document = json.loads(self._path.read_bytes() or b"{}")
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise Refused(f"{self._path} can't be read: {(error.strerror or str(error)).lower()}") from error
        except ValueError as error:
            raise Invalid(f"{self._path} is not JSON: {error}") from error
        entries = document.get("auths") if isinstance(document, dict) else None
        return entries if isinstance(entries, dict) else {}


def _names(name: str, registry: str) -> bool:
    try:
        return parse_registry(name) == registry
    except ValueError:
        return False


def _read_entry(entry: dict[str, Any]) -> Credential:
    username, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    if entry.get("auth"):
        try:
            whole = base64.b64decode(str(entry["auth"])).decode()
        except (binascii.Error, UnicodeDecodeError):
            whole = ""
        username, _, password = whole.partition(":")
    return Credential(
        username=username,
        password=password.strip("\0"),
        identity_token=str(entry.get("identitytoken") or ""),
        registry_token=str(entry.get("registrytoken") or ""),
    )
