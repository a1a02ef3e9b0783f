"""`python -m tests.compare.lines [--half] [TOPIC...]`: runs in a test host; each line by Docker and by hold.

Differences are printed. `--half` takes every second line of each topic, which a minute is enough for.
"""

import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.bench.commands import run
from tests.bench.engines import Engine, docker, hold, make_image_archive
from tests.compare.lines.lines import Line, read_lines
from tests.compare.lines.shapes import PREFIXES
from tests.compare.lines.trial import Outcome, Trial

_IMAGES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("box:1", ()),
    (
        "rich:1",
        (
            "ENV FROM=image", "WORKDIR /tmp", "VOLUME /kept", "EXPOSE 8080/tcp", "LABEL made=by-import",
            'ENTRYPOINT ["/bin/echo","said"]', 'CMD ["by default"]', "USER 7:8",
        ),
    ),
)  # fmt: skip
_ROOT_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1001::/home/web:/bin/sh\n",
    "etc/group": "root:x:0:\nweb:x:1001:\nstaff:x:50:web\n",
    "etc/kept": "from the image\n",
    "kept/seed": "seed\n",
    "home/web/.profile": "",
}


def make_archive(scratch_path: Path) -> Path:
    """Return an archive of busybox with users, and files to look for."""
    archive_path = make_image_archive(scratch_path)
    for name, content in _ROOT_FILES.items():
        path = scratch_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    run(["tar", "-C", str(scratch_path / "root"), "-cf", str(archive_path), "."])
    return archive_path


def import_images(engine: Engine, archive_path: Path) -> None:
    """Give the engine the images that the lines name."""
    for name, changes in _IMAGES:
        words = [word for change in changes for word in ("--change", change)]
        engine.run("import", *words, str(archive_path), name)


def run_lines(lines: Sequence[Line], scratch_path: Path) -> dict[str, Mapping[str, Outcome]]:
    """Return what came of each line, by engine; both work at the same time."""
    archive_path = make_archive(scratch_path)
    with docker(scratch_path, archive_path) as theirs, hold(scratch_path, archive_path) as ours:

        def run_engine(engine: Engine, prefix: str) -> Mapping[str, Outcome]:
            import_images(engine, archive_path)
            trial = Trial(engine, scratch_path / f"work-{engine.name}", prefix=prefix)
            return trial.try_all(lines)

        with ThreadPoolExecutor(2) as pool:
            both = pool.map(run_engine, (theirs, ours), PREFIXES)
            return dict(zip(("Docker", "hold"), both, strict=True))


def tell_differences(lines: Sequence[Line], outcomes: Mapping[str, Mapping[str, Outcome]]) -> Iterator[str]:
    """Yield a text for each line that differs and is not meant to, or is meant to and does not."""
    for line in lines:
        theirs, ours = outcomes["Docker"][line.name], outcomes["hold"][line.name]
        if ours.is_like(theirs) is not bool(line.reason):
            continue
        what = f"meant to differ ({line.reason}), but is alike" if line.reason else "differs"
        yield "\n".join(
            (
                f"--- {line.name} {what}: {line.script}",
                f"  Docker: {' '.join(theirs.codes)} {theirs.told[:300]}",
                *(f"    {each}" for each in theirs.printed),
                f"  hold:   {' '.join(ours.codes)} {ours.told[:600]}",
                *(f"    {each}" for each in ours.printed),
            )
        )


def choose_lines(topics: Collection[str], *, half: bool) -> list[Line]:
    """Return the lines of all topics, or of those named."""
    lines = [line for line in read_lines() if not topics or line.topic in topics]
    return [line for line in lines if line.number % 2] if half else lines


def main(arguments: Sequence[str]) -> int:
    """Compare; 1 when something differs that is not meant to."""
    topics = [word for word in arguments if word != "--half"]
    lines = choose_lines(topics, half="--half" in arguments)
    with tempfile.TemporaryDirectory(
        prefix="hold-lines-", dir="/var/tmp", ignore_cleanup_errors=True
    ) as scratch:
        found = list(tell_differences(lines, run_lines(lines, Path(scratch))))
    print("\n".join(found))
    meant = sum(bool(line.reason) for line in lines)
    print(f"{len(lines)} lines, {meant} meant to differ; {len(found)} not as they should be")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
