"""Who a container's process is: USER[:GROUP] by the container's own account files (passwd(5), group(5))."""

from collections.abc import Iterator
from dataclasses import dataclass

from controller.errors import Refused
from controller.model.facts import AccountFiles

_MAX_ID = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessUser:
    """Numeric identity of a process and its home directory."""

    uid: int
    gid: int
    additional_gids: tuple[int, ...] = ()
    home: str = "/"

    def list_groups(self) -> list[int]:
        """Return the supplementary groups. The own one is among them: else setgid(2) would leave it behind, and get
        past files that its members may not read (CVE-2022-36109)."""
        return list(dict.fromkeys((self.gid, *self.additional_gids)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Account:
    name: str
    uid: int
    gid: int
    home: str


def resolve_user(text: str, accounts: AccountFiles) -> ProcessUser:
    """Return the identity for `USER[:GROUP]`; empty is root. Refused when a name is in neither file.

    Without a group the user's own group counts, and every group that lists the user by name; a number that no
    account has is taken as it is, with group 0.
    """
    user_text, _, group_text = text.partition(":")
    user_text = user_text or "0"
    account = _find_account(user_text, accounts.passwd)
    if account is None:
        number = _parse_id(user_text)
        if number is None:
            raise Refused(
                f"user {user_text} is not in the container's /etc/passwd: name one that is, or a number"
            )
        account = _Account(name="", uid=number, gid=0, home="/")
    if group_text:
        gid = find_gid(group_text, accounts.group)
        return ProcessUser(uid=account.uid, gid=gid, home=account.home)
    others = tuple(
        gid
        for _, gid, members in _parse_groups(accounts.group)
        if account.name and account.name in members and gid != account.gid
    )
    return ProcessUser(uid=account.uid, gid=account.gid, additional_gids=others, home=account.home)


def _parse_id(text: str) -> int | None:
    if not (text.isascii() and text.isdigit()) or int(text) > _MAX_ID:
        return None
    return int(text)


def _find_account(text: str, passwd: str) -> _Account | None:
    """Find by name first, then by number, as Docker does."""
    by_number = None
    number = _parse_id(text)
    for line in passwd.splitlines():
        fields = line.split(":")
        if len(fields) < 6 or _parse_id(fields[2]) is None or _parse_id(fields[3]) is None:
            continue
        account = _Account(name=fields[0], uid=int(fields[2]), gid=int(fields[3]), home=fields[5] or "/")
        if account.name == text:
            return account
        if by_number is None and account.uid == number:
            by_number = account
    return by_number


def _parse_groups(group: str) -> Iterator[tuple[str, int, list[str]]]:
    for line in group.splitlines():
        fields = line.split(":")
        if len(fields) >= 4 and _parse_id(fields[2]) is not None:
            yield fields[0], int(fields[2]), fields[3].split(",")


def find_gid(text: str, group: str) -> int:
    """Return the number of a group by name, or a number as it is; Refused when no group has the name."""
    for name, gid, _ in _parse_groups(group):
        if name == text:
            return gid
    number = _parse_id(text)
    if number is None:
        raise Refused(f"group {text} is not in the container's /etc/group: name one that is, or a number")
    return number
