"""Commands that go on while the daemon is killed and started again."""

import subprocess
from functools import partial
from pathlib import Path

from tests.e2e.conftest import IMAGE
from tests.machine import PROGRAM, Machine, wait_for

COUNT = "i=0; while [ $i -lt 40 ]; do echo line $i; i=$((i+1)); sleep 0.1; done"


class Followed:
    """A command that goes on in the background, with what it has printed."""

    def __init__(self, machine: Machine, folder: Path, *words: str) -> None:
        self._out_path, self._err_path = folder / f"{words[0]}.out", folder / f"{words[0]}.err"
        with self._out_path.open("w") as out, self._err_path.open("w") as err:
            self.process = subprocess.Popen(
                [PROGRAM, *words], env=machine.environment, stdout=out, stderr=err
            )

    @property
    def output(self) -> str:
        return self._out_path.read_text()

    def tells(self, words: str) -> bool:
        return words in self._err_path.read_text()


def test_followers_go_on_over_a_kill_of_the_daemon(machine: Machine, scratch: Path) -> None:
    machine.succeed("run", "-d", "--name", "counter", IMAGE, "sh", "-c", COUNT)
    machine.succeed("create", "--name", "later", IMAGE, "sleep", "1000")
    logs = Followed(machine, scratch, "logs", "-f", "counter")
    objects = Followed(machine, scratch, "get", "containers", "-w", "-o", "jsonpath={.metadata.name}")
    events = Followed(machine, scratch, "events", "-w")
    ended = Followed(machine, scratch, "wait", "--for=jsonpath={.status.phase}=Exited", "container/counter")
    followers = (logs, objects, events, ended)
    wait_for(lambda: "line 3" in logs.output, "some lines")
    wait_for(lambda: "later" in objects.output and "Started" in events.output, "the present state")

    machine.kill_daemon()
    for follower in followers:
        wait_for(partial(follower.tells, "the daemon went away"), "the break to be told")
    machine.start_daemon()
    for follower in followers:
        wait_for(partial(follower.tells, "the daemon is back"), "the return to be told")

    assert ended.process.wait(timeout=60) == 0
    machine.succeed("start", "later")
    wait_for(lambda: "line 39\n" in logs.output, "the last line")
    wait_for(lambda: "container/later Started" in events.output, "the event")
    lines = logs.output.splitlines()
    assert lines == [f"line {number}" for number in range(40)]
    times = [line.split()[0] for line in events.output.splitlines()]
    assert len(events.output.splitlines()) == len(set(events.output.splitlines()))
    assert times == sorted(times)
    for follower in (logs, objects, events):
        follower.process.terminate()
        follower.process.wait(timeout=20)
    machine.succeed("rm", "-f", "counter", "later")
