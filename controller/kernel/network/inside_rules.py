"""The one rule that hold makes inside a container's network namespace: port 53 of the resolver's address leads to ours.

Not by listening at port 53 there: a name server that runs in the container, at every address, would find it taken.
"""

import secrets
import socket

from controller.kernel.names import dns
from controller.kernel.subprocesses import Runner
from controller.kernel.threads import run_in_netns
from controller.model.wants import INSIDE_RESOLVER
from controller.plan.firewall import NAME_SERVER_PORT

_CHAIN = "HOLD-DNS"
_PORT = 53
_PATIENCE_S = 1.0
_ADDRESS_WANTED = dns.TYPE_A.to_bytes(2) + dns.CLASS_IN.to_bytes(2)


def render_inside() -> str:
    """Return the chain for `iptables-restore --noflush`, which makes it anew, whatever was in it."""
    place = f"-d {INSIDE_RESOLVER}/32"
    target = f"-j DNAT --to-destination {INSIDE_RESOLVER}:{NAME_SERVER_PORT}"
    rules = [f"-A {_CHAIN} {place} -p {each} -m {each} --dport {_PORT} {target}" for each in ("udp", "tcp")]
    return "\n".join(["*nat", f":{_CHAIN} - [0:0]", *rules, "COMMIT", ""])


async def lead_inside(runner: Runner, netns_path: str) -> None:
    """Make the rule, once however often this is called. Refused when the kernel has no address translation."""
    entered = ("nsenter", f"--net={netns_path}")
    await runner.run(*entered, "iptables-restore", "--noflush", "--wait", stdin=render_inside())
    jump = ("OUTPUT", "-j", _CHAIN)
    present = await runner.capture(*entered, "iptables", "--wait", "-t", "nat", "-C", *jump)
    if present.code != 0:
        await runner.run(*entered, "iptables", "--wait", "-t", "nat", "-A", *jump)


def is_led_inside(netns_path: str, name: str) -> bool:
    """Ask for a name of ours as a program in the namespace does; tell whether it was we who answered. Blocking.

    OSError when there is no such namespace.
    """
    head = dns.HEADER.pack(secrets.randbelow(1 << 16), 0, 1, 0, 0, 0)
    question = head + dns.pack_name(name) + _ADDRESS_WANTED

    def exchange() -> bytes:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as endpoint:
            endpoint.settimeout(_PATIENCE_S)
            try:
                endpoint.connect((INSIDE_RESOLVER, _PORT))
                endpoint.send(question)
                return endpoint.recv(dns.OWN_LIMIT_BYTES)
            except OSError:  # refused, or nobody answers
                return b""

    answer = run_in_netns(netns_path, exchange)
    return dns.is_answer(answer, question) and dns.read_code(answer) == dns.NO_ERROR
