"""`make demo`."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.demo.machine import Machine, fetch, run
from tests.demo.screen import Screen, StepFailed, wait_for

_PORT = 8080
_MANIFESTS = "manifests/shop/"


def _serves() -> bool:
    return "shop" in fetch(_PORT)


def _show_main_job(machine: Machine, screen: Screen) -> None:
    screen.title("A daemon, and an image made of busybox")
    with screen.step("the daemon answers"):
        machine.start_daemon()
    with screen.step("the image is imported"):
        machine.hold(f"import {machine.make_image_archive()} shop:1")
    screen.title("Declare a shop: a network, a volume, a web server, a customer that calls it by name")
    with screen.step("the plan is shown before anything is done"):
        machine.hold(f"plan -f {_MANIFESTS}")
    with screen.step("everything is ready"):
        machine.hold(f"apply -f {_MANIFESTS}")
        machine.hold("wait --for=condition=Ready --all")
    with screen.step("what there is now"):
        machine.hold("get all -o wide")
    with screen.step(f"http://127.0.0.1:{_PORT}/ answers"):
        wait_for(_serves, "the published port")
        screen.output(fetch(_PORT))
    with screen.step("the customer reaches the web server by name"):
        wait_for(lambda: "shop" in machine.hold("logs -n 1 customer", show=False), "the customer's log")
        machine.hold("logs -n 1 customer")


def _show_repairs(machine: Machine, screen: Screen) -> None:
    screen.title("Break things behind hold's back")
    pid = machine.read_pid("web")
    with screen.step("kill -9 of the web server: it runs again"):
        os.kill(pid, signal.SIGKILL)
        wait_for(_serves, "the web server")
    if machine.read_pid("web") == pid:
        raise StepFailed("the process is still the old one")
    link = re.findall(r"^\d+: (hv[0-9a-f]+)@", run("ip -o link"), re.MULTILINE)[0]
    with screen.step(f"ip link del {link}: the veth is back, in its bridge"):
        run(f"ip link del {link}")
        wait_for(lambda: f"{link}@" in run("ip -o link show type veth") and _serves(), "the veth")
    with screen.step("iptables -F and -t nat -F: the rules are back"):
        run("iptables -F")
        run("iptables -t nat -F")
        wait_for(lambda: str(_PORT) in run("iptables-save -t nat") and _serves(), "the rules")
    pid = machine.read_pid("web")
    with screen.step("kill -9 of the daemon: the shop goes on serving"):
        machine.kill_daemon()
        wait_for(_serves, "the web server without a daemon")
    with screen.step("a new daemon finds everything as it was"):
        machine.start_daemon()
        machine.hold("wait --for=condition=Ready --all")
    if machine.read_pid("web") != pid:
        raise StepFailed("the restart of the daemon touched a running container")


def _show_end(machine: Machine, screen: Screen) -> None:
    screen.title("Take it away again")
    with screen.step("everything declared is gone"):
        machine.hold(f"delete -f {_MANIFESTS}")
    with screen.step("no link, mount or process is left"):
        wait_for(lambda: not _find_leftovers(), "the last traces to go")


def _find_leftovers() -> list[str]:
    mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if " overlay " in line]
    links = re.findall(r"^\d+: (hv[0-9a-f]+)@", run("ip -o link"), re.MULTILINE)
    processes = subprocess.run(
        ["pgrep", "conmon"], capture_output=True, text=True, check=False
    ).stdout.split()
    return mounts + links + processes


def main() -> int:
    """Run all steps; returns the exit code."""
    screen = Screen()
    with tempfile.TemporaryDirectory(prefix="hold-demo-", ignore_cleanup_errors=True) as scratch:
        machine = Machine(scratch_path=Path(scratch), screen=screen)
        try:
            _show_main_job(machine, screen)
            _show_repairs(machine, screen)
            _show_end(machine, screen)
        except (StepFailed, subprocess.CalledProcessError) as error:
            print(f"\nThe demo failed: {error}", file=sys.stderr)
            return 1
        finally:
            machine.kill_daemon()
    screen.title("All of it worked.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
