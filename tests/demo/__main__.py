"""`make demo`."""

import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.demo.screen import Screen
from tests.machine import Machine, NotInTime, fetch, wait_for

_PORT = 8080
_MANIFESTS = "manifests/shop/"


class StepFailed(Exception):
    """A step did not come to the right end."""


def _serves() -> bool:
    return "shop" in fetch(_PORT)


def _run(words: str) -> str:
    return subprocess.run(shlex.split(words), check=True, capture_output=True, text=True).stdout


def _hold(machine: Machine, screen: Screen, words: str) -> None:
    """Run a hold command, show it and what it printed."""
    screen.command(f"hold {words}")
    answer = machine.hold(*shlex.split(words))
    screen.output(answer.stdout)
    if answer.returncode != 0:
        raise StepFailed(f"exit code {answer.returncode}: {answer.stderr.strip()}")


def _show_main_job(machine: Machine, screen: Screen) -> None:
    screen.title("A daemon, and an image made of busybox")
    with screen.step("the daemon answers"):
        machine.start_daemon()
    with screen.step("the image is imported"):
        _hold(machine, screen, f"import {machine.make_image_archive()} shop:1")
    screen.title("Declare a shop: a network, a volume, a web server, a customer that calls it by name")
    with screen.step("the plan is shown before anything is done"):
        _hold(machine, screen, f"plan -f {_MANIFESTS}")
    with screen.step("everything is ready"):
        _hold(machine, screen, f"apply -f {_MANIFESTS}")
        _hold(machine, screen, "wait --for=condition=Ready --all")
    with screen.step("what there is now"):
        _hold(machine, screen, "get all -o wide")
    with screen.step(f"http://127.0.0.1:{_PORT}/ answers"):
        wait_for(_serves, "the published port")
        screen.output(fetch(_PORT))
    with screen.step("the customer reaches the web server by name"):
        wait_for(lambda: "shop" in machine.hold("logs", "-n", "1", "customer").stdout, "the customer's log")
        _hold(machine, screen, "logs -n 1 customer")


def _show_repairs(machine: Machine, screen: Screen) -> None:
    screen.title("Break things behind hold's back")
    pid = machine.read_pid("web")
    with screen.step("kill -9 of the web server: it runs again"):
        os.kill(pid, signal.SIGKILL)
        wait_for(_serves, "the web server")
    if machine.read_pid("web") == pid:
        raise StepFailed("the process is still the old one")
    link = re.findall(r"^\d+: (hv[0-9a-f]+)@", _run("ip -o link"), re.MULTILINE)[0]
    with screen.step(f"ip link del {link}: the veth is back, in its bridge"):
        _run(f"ip link del {link}")
        wait_for(lambda: f"{link}@" in _run("ip -o link show type veth") and _serves(), "the veth")
    with screen.step("iptables -F and -t nat -F: the rules are back"):
        _run("iptables -F")
        _run("iptables -t nat -F")
        wait_for(lambda: str(_PORT) in _run("iptables-save -t nat") and _serves(), "the rules")
    pid = machine.read_pid("web")
    with screen.step("kill -9 of the daemon: the shop goes on serving"):
        machine.kill_daemon()
        wait_for(_serves, "the web server without a daemon")
    with screen.step("a new daemon finds everything as it was"):
        machine.start_daemon()
        _hold(machine, screen, "wait --for=condition=Ready --all")
    if machine.read_pid("web") != pid:
        raise StepFailed("the restart of the daemon touched a running container")


def _show_end(machine: Machine, screen: Screen) -> None:
    screen.title("Take it away again")
    with screen.step("everything declared is gone"):
        _hold(machine, screen, f"delete -f {_MANIFESTS} --grace-period 1")
    with screen.step("no link, mount or process is left"):
        wait_for(lambda: not _find_leftovers(), "the last traces to go")


def _find_leftovers() -> list[str]:
    mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if " overlay " in line]
    links = re.findall(r"^\d+: (hv[0-9a-f]+)@", _run("ip -o link"), re.MULTILINE)
    processes = subprocess.run(
        ["pgrep", "conmon"], capture_output=True, text=True, check=False
    ).stdout.split()
    return mounts + links + processes


def main() -> int:
    """Run all steps; returns the exit code."""
    screen = Screen()
    with tempfile.TemporaryDirectory(prefix="hold-demo-", ignore_cleanup_errors=True) as scratch:
        machine = Machine(Path(scratch))
        try:
            _show_main_job(machine, screen)
            _show_repairs(machine, screen)
            _show_end(machine, screen)
        except (StepFailed, NotInTime, subprocess.CalledProcessError) as error:
            print(f"\nThe demo failed: {error}", file=sys.stderr)
            return 1
        finally:
            machine.kill_daemon()
            for folder in (
                "netns",
                "rootfs",
            ):  # mounts of hold's own, which keep the directory from being removed
                subprocess.run(
                    ["umount", "-l", str(machine.run_path / folder)], check=False, capture_output=True
                )
    screen.title("All of it worked.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
