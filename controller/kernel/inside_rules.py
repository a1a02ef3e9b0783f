"""The one rule that hold makes inside a container's network namespace: port 53 of the resolver's address leads to ours.

Not by listening at port 53 there: a name server that runs in the container, at every address, would find it taken.
"""

from controller.kernel.subprocesses import Runner
from controller.model.wants import INSIDE_RESOLVER
from controller.plan.firewall import NAME_SERVER_PORT

_CHAIN = "HOLD-DNS"


def render_inside() -> str:
    """Return the chain for `iptables-restore --noflush`, which makes it anew, whatever was in it."""
    place = f"-d {INSIDE_RESOLVER}/32"
    target = f"-j DNAT --to-destination {INSIDE_RESOLVER}:{NAME_SERVER_PORT}"
    rules = [f"-A {_CHAIN} {place} -p {each} -m {each} --dport 53 {target}" for each in ("udp", "tcp")]
    return "\n".join(["*nat", f":{_CHAIN} - [0:0]", *rules, "COMMIT", ""])


async def lead_inside(runner: Runner, netns_path: str) -> None:
    """Make the rule, once however often this is called. Refused when the kernel has no address translation."""
    entered = ("nsenter", f"--net={netns_path}")
    await runner.run(*entered, "iptables-restore", "--noflush", "--wait", stdin=render_inside())
    jump = ("OUTPUT", "-j", _CHAIN)
    present = await runner.capture(*entered, "iptables", "--wait", "-t", "nat", "-C", *jump)
    if present.code != 0:
        await runner.run(*entered, "iptables", "--wait", "-t", "nat", "-A", *jump)
