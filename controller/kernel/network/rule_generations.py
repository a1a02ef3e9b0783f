"""Which changes of the rules in nf_tables are our own: `RuleGenerations()`; no arguments are needed.

The kernel numbers the changes of a network namespace's rules, a table committed by iptables-restore being one change,
and tells each number to those who listen (nft monitor, NFT_MSG_NEWGEN). When a program of ours ran and the number rose
by just as many as it committed tables, all of these were its own. Rules of the legacy back end have no such number.
"""

import struct
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from controller.kernel.network.netlink import NETLINK_NETFILTER, Message, Netlink, parse_attributes

_NFNL_SUBSYS_NFTABLES = 10
_NFT_MSG_NEWGEN = _NFNL_SUBSYS_NFTABLES << 8 | 15
_NFT_MSG_GETGEN = _NFNL_SUBSYS_NFTABLES << 8 | 16
_NFTA_GEN_ID = 1
_NFGENMSG = struct.pack("=BBH", 0, 0, 0)
_REMEMBERED_INSTALLATIONS = 64


@dataclass(slots=True)
class Installation:
    """What one program did to the rules; `alone` is known once it has ended: nobody else changed any meanwhile."""

    alone: bool = False


class RuleGenerations:
    """Tells changes of others from our own. For one event loop, and one installation at a time."""

    def __init__(self) -> None:
        self.on_foreign: Callable[[], None] | None = None
        """Called for a change that is not our own."""
        self._own: deque[range] = deque(maxlen=_REMEMBERED_INSTALLATIONS)
        self._installing = False
        self._heard_meanwhile: list[int] = []

    @contextmanager
    def installing(self, tables: int) -> Iterator[Installation]:
        """Return a context in which a program commits so many tables."""
        installation = Installation()
        before = _read_generation()
        self._installing = True
        try:
            yield installation
        finally:
            after = _read_generation()
            if before is not None and after == before + tables:
                self._own.append(range(before + 1, after + 1))
                installation.alone = True
            self._installing = False
            heard, self._heard_meanwhile = self._heard_meanwhile, []
            for generation in heard:
                self._judge(generation)

    def hear(self, message: Message) -> None:
        """Take a message of the kernel's about rules; those that are not about a change of them are nothing."""
        if message.kind != _NFT_MSG_NEWGEN:
            return
        generation = _parse_generation(message)
        if self._installing:
            self._heard_meanwhile.append(generation)
        else:
            self._judge(generation)

    def _judge(self, generation: int) -> None:
        if not any(generation in own for own in self._own) and self.on_foreign is not None:
            self.on_foreign()


def _read_generation() -> int | None:
    """Return the present number, None on a kernel without nf_tables."""
    try:
        with closing(Netlink(NETLINK_NETFILTER)) as netlink:
            answer = netlink.get(Message(kind=_NFT_MSG_GETGEN, body=_NFGENMSG))
    except OSError:
        return None
    return None if answer is None else _parse_generation(answer)


def _parse_generation(message: Message) -> int:
    # In the order of the network, as all numbers of nf_tables.
    return int.from_bytes(parse_attributes(message.body, len(_NFGENMSG)).get(_NFTA_GEN_ID, b""), "big")
