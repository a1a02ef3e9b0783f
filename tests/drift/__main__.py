"""`python -m tests.drift [SECONDS] [SEED]`, in a test host: a random hand for so long; tells what did not come back."""

import random
import sys
import tempfile
import time
from pathlib import Path

from tests.drift.damages import list_damages
from tests.drift.stage import NotBack, running_machine, staged, take_foreign_picture


def main(seconds: float, seed: int) -> int:
    """Try damages for so many seconds, 0 for each once; returns the exit code."""
    chance = random.Random(seed)
    damages = list(list_damages())
    lost = []
    with (
        tempfile.TemporaryDirectory(prefix="hold-drift-", ignore_cleanup_errors=True) as scratch,
        running_machine(Path(scratch)) as machine,
        staged(machine) as stage,
    ):
        until = time.monotonic() + seconds
        queue = damages
        while queue and (not seconds or time.monotonic() < until):
            damage, queue = (chance.choice(damages), queue) if seconds else (queue[0], queue[1:])
            start = time.monotonic()
            stage.inflict(damage)
            try:
                stage.wait_until_whole(damage.name)
                print(f"{time.monotonic() - start:6.2f} s  {damage.name}", flush=True)
            except NotBack as error:
                lost.append(damage.name)
                print(f"  LOST  {error}", flush=True)
                stage.whole = stage.take_picture()
        print(f"{stage.traffic.answered} of {stage.traffic.asked} requests were answered meanwhile")
        if stage.foreign != take_foreign_picture():
            print("something foreign was touched", stage.foreign, take_foreign_picture())
            lost.append("foreign")
    print(f"{len(lost)} did not come back")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1] if sys.argv[1:] else 0), int(sys.argv[2] if sys.argv[2:] else 1)))
