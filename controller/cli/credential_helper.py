"""Programs that keep credentials, `docker-credential-NAME`: the question goes in by a pipe, never by arguments.

https://github.com/docker/docker-credential-helpers#development
"""

import json
import os
from typing import Any

from controller.cli.client import Failure

_PREFIX = "docker-credential-"
_NOT_FOUND = "credentials not found in native keychain"
TOKEN_USER = "<token>"  # noqa: S105 - stands where a user name would, for a secret that is an identity token
"""User name that marks a secret as an identity token."""


class CredentialHelper:
    """One program; Failure when it is not there or says that it can't."""

    def __init__(self, name: str) -> None:
        if "/" in name:
            raise Failure(f"{name!r} in Docker's config.json is not the name of a credential helper")
        self._program = _PREFIX + name

    def get(self, server: str) -> tuple[str, str] | None:
        """Return user name and secret, None when the helper keeps none for the server."""
        code, answer = _converse(self._program, "get", server)
        if code != 0:
            if answer.strip() == _NOT_FOUND:
                return None
            raise self._complain("get", answer, code)
        fields = self._read(answer)
        return str(fields.get("Username", "")), str(fields.get("Secret", ""))

    def store(self, server: str, username: str, secret: str) -> None:
        """Keep credentials in place of those that are there."""
        question = json.dumps({"ServerURL": server, "Username": username, "Secret": secret})
        code, answer = _converse(self._program, "store", question)
        if code != 0:
            raise self._complain("store", answer, code)

    def erase(self, server: str) -> None:
        """Forget the credentials of a server; nothing when there are none."""
        code, answer = _converse(self._program, "erase", server)
        if code != 0 and answer.strip() != _NOT_FOUND:
            raise self._complain("erase", answer, code)

    def _read(self, answer: str) -> dict[str, Any]:
        try:
            fields = json.loads(answer)
        except ValueError as error:
            raise Failure(f"{self._program} does not answer in JSON") from error
        if not isinstance(fields, dict):
            raise Failure(f"{self._program} does not answer with credentials")
        return fields

    def _complain(self, verb: str, answer: str, code: int) -> Failure:
        return Failure(f"{self._program} {verb} failed: {answer.strip() or f'exit code {code}'}")


def _converse(program: str, verb: str, question: str) -> tuple[int, str]:
    """Run a program, write the question to it, and return its exit code and what it answers."""
    input_read, input_write = os.pipe()
    output_read, output_write = os.pipe()
    actions = [(os.POSIX_SPAWN_DUP2, input_read, 0), (os.POSIX_SPAWN_DUP2, output_write, 1)]
    try:
        pid = os.posix_spawnp(program, [program, verb], os.environ, file_actions=actions)
    except OSError as error:
        os.close(input_write)
        os.close(output_read)
        raise Failure(
            f"{program} can't be run, though Docker's config.json names it: {(error.strerror or str(error)).lower()}"
        ) from error
    finally:
        os.close(input_read)
        os.close(output_write)
    with os.fdopen(output_read) as output:
        try:
            with os.fdopen(input_write, "w") as pipe:
                pipe.write(question)
        except BrokenPipeError:
            pass  # a helper may answer without having read all
        answer = output.read()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), answer
