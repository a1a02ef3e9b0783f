"""The machine that drifts: two networks, three containers with traffic between them, and things that are others'."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.drift.damages import APART, BRIDGE, Damage
from tests.drift.picture import read_json, read_lines, read_network, read_rules, read_settings
from tests.machine import Machine, fetch, wait_for

PORT = 8085
MANIFEST = f"""
apiVersion: hold/v1
kind: Network
metadata: {{name: front}}
spec: {{subnets: [10.81.0.0/24, "fd81::/64"], bridgeName: {BRIDGE}}}
---
apiVersion: hold/v1
kind: Network
metadata: {{name: apart}}
spec: {{subnets: [10.82.0.0/24], bridgeName: {APART}, interContainer: false, mtu: 1400}}
---
apiVersion: hold/v1
kind: Container
metadata: {{name: web}}
spec:
  image: box:1
  command: [httpd, -f, -p, "80", -h, /www]
  networks: [{{name: front, ipv4: 10.81.0.9, ipv6: "fd81::9"}}, {{name: apart, ipv4: 10.82.0.9}}]
  ports: ["{PORT}:80"]
---
apiVersion: hold/v1
kind: Container
metadata: {{name: asker}}
spec: {{image: box:1, command: [sleep, "100000"], networks: [{{name: front, ipv4: 10.81.0.8}}]}}
---
apiVersion: hold/v1
kind: Container
metadata: {{name: hermit}}
spec: {{image: box:1, command: [sleep, "100000"], networks: [{{name: apart, ipv4: 10.82.0.8}}]}}
"""
_FOREIGN = """
ip link add foreign0 address 02:00:5e:00:53:01 type bridge ageing_time 1234
ip address add 192.0.2.1/24 dev foreign0
ip link add foreign1 type veth peer name foreign2
ip link set foreign1 master foreign0 alias theirs
for link in foreign0 foreign1 foreign2; do sysctl -qw net.ipv6.conf.$link.disable_ipv6=1; done
ip link set foreign0 up; ip link set foreign1 up; ip link set foreign2 up
ip route add 198.51.100.0/24 via 192.0.2.9
ip rule add from 192.0.2.0/24 lookup 77 priority 777
iptables -t mangle -N FOREIGN; iptables -t mangle -A FOREIGN -s 192.0.2.0/24 -j ACCEPT
iptables -t mangle -A PREROUTING -j FOREIGN
"""
_FOREIGN_END = """
iptables -t mangle -D PREROUTING -j FOREIGN; iptables -t mangle -F FOREIGN; iptables -t mangle -X FOREIGN
ip rule del priority 777
ip link del foreign1; ip link del foreign0
"""
_PATIENCE_S = 40.0


class NotBack(Exception):
    """Something that was changed did not come back."""


class Traffic:
    """Requests to the published port, one after another, until `ended`."""

    def __init__(self) -> None:
        self.answered = 0
        self.asked = 0
        self.ended = threading.Event()

    def run(self) -> None:
        """Ask, and count."""
        while not self.ended.wait(0.1):
            self.asked += 1
            self.answered += fetch(PORT) != ""


class Stage:
    """A machine with everything on it; `picture` is taken when it is whole."""

    def __init__(self, machine: Machine) -> None:
        self._netns = {name: _enter(machine, name) for name in ("web", "asker", "hermit")}
        wait_for(self.is_serving, "the first answer")
        self.traffic = Traffic()
        self.whole = self.take_picture()
        self.foreign = take_foreign_picture()

    def netns(self, container: str) -> tuple[str, ...]:
        """Return the words that enter a container's network."""
        return self._netns[container]

    def take_picture(self) -> dict[str, tuple[str, ...]]:
        """Return all that hold keeps of the network."""
        picture = {"host": read_network(only="hold- hv"), "settings": read_settings((BRIDGE, APART))}
        picture["rules"] = read_rules()
        for container in self._netns:
            picture[container] = read_network(self.netns(container))
        return picture

    def is_serving(self) -> bool:
        """Tell whether the published port answers, and a name between containers."""
        return fetch(PORT) != "" and self._answers_by_name()

    def _answers_by_name(self) -> bool:
        words = (*self.netns("asker"), "/bin/busybox", "nslookup", "-type=a", "web", "10.81.0.1")
        return "10.81.0.9" in "\n".join(read_lines("timeout", "2", *words))

    def inflict(self, damage: Damage) -> None:
        """Change something; a command that fails has found it changed already."""
        prefix = self.netns(damage.inside) if damage.inside else ()
        script = damage.script.replace("$link", self._find_link())
        subprocess.run([*prefix, "sh", "-c", script], check=False, capture_output=True)

    def _find_link(self) -> str:
        """Return the host's end of the link between web and the network front."""
        index = [
            each["link_index"]
            for each in read_json(*self.netns("web"), "ip", "-json", "link", "show", "eth0")
        ]
        names = {each["ifindex"]: each["ifname"] for each in read_json("ip", "-json", "link", "show")}
        return str(names.get(index[0], "none")) if index else "none"

    def wait_until_whole(self, after: str) -> None:
        """Return as soon as everything is as it was; NotBack tells what is not."""
        try:
            wait_for(lambda: self.find_differences() == [], after, deadline_s=_PATIENCE_S)
            wait_for(self.is_serving, after, deadline_s=_PATIENCE_S)
        except Exception as error:
            lines = "\n".join(self.find_differences() or ["no traffic"])
            raise NotBack(f"after `{after}`:\n{lines}") from error

    def find_differences(self) -> list[str]:
        """Return what is not as it was, and what is there besides."""
        now = self.take_picture()
        found = []
        for part, before in self.whole.items():
            found += [f"{part}: - {line}" for line in before if line not in now[part]]
            found += [f"{part}: + {line}" for line in now[part] if line not in before]
            if set(before) == set(now[part]) and before != now[part]:
                found.append(f"{part}: the order")
        return found


def _enter(machine: Machine, container: str) -> tuple[str, ...]:
    uid = machine.get("container", container)["metadata"]["uid"]
    return ("nsenter", f"--net={machine.run_path}/netns/{uid}")


def take_foreign_picture() -> dict[str, tuple[str, ...]]:
    """Return what belongs to others as the tools print it, byte for byte."""
    return {
        "links": tuple(
            line
            for name in ("foreign0", "foreign1", "foreign2")
            for line in read_lines("ip", "-details", "address", "show", name)
            if "timer" not in line
        ),
        "routes": tuple(
            line for line in read_lines("ip", "route", "show", "table", "all") if "foreign" in line
        ),
        "rules": tuple(read_lines("ip", "rule")),
        "firewall": tuple(
            line for line in read_lines("iptables-save", "-t", "mangle") if not line.startswith(("#", ":"))
        ),
    }


@contextmanager
def staged(machine: Machine) -> Iterator[Stage]:
    """Everything on the machine, foreign things beside it; nothing of it stays."""
    _run_all(_FOREIGN)
    try:
        machine.succeed("apply", "-f", "-", stdin=MANIFEST)
        machine.succeed("wait", "--for=condition=Ready", "--all", "--timeout=120s")
        stage = Stage(machine)
        thread = threading.Thread(target=stage.traffic.run)
        thread.start()
        try:
            yield stage
        finally:
            stage.traffic.ended.set()
            thread.join()
        if "Traceback" in machine.read_log():
            raise NotBack(f"the daemon's log has an error:\n{machine.read_log()[-4000:]}")
        machine.succeed("delete", "-f", "-", "--grace-period", "0", stdin=MANIFEST)
    finally:
        _run_all(_FOREIGN_END)


def _run_all(script: str) -> None:
    subprocess.run(["sh", "-ec", script], check=True)


@contextmanager
def running_machine(scratch_path: Path) -> Iterator[Machine]:
    """A machine with the image box:1 whose daemon looks at everything every few seconds."""
    (scratch_path / "resolv.conf").write_text("nameserver 127.0.0.53\n")
    options = ["--resolv-conf", str(scratch_path / "resolv.conf"), "--resync-interval", "5s"]
    machine = Machine(scratch_path, options=options)
    machine.start_daemon()
    try:
        machine.import_image("box:1")
        yield machine
    finally:
        machine.purge()
