"""volume backup, restore; export and import are the same by Podman's names."""

import argparse
from typing import Any

from controller.api.v1 import volume_pb2
from controller.cli.archives import open_input, open_output, read_chunks
from controller.cli.client import Client


def add_archive_verbs(verbs: Any) -> None:  # noqa: ANN401 - argparse keeps the type to itself
    """Add the flags of `hold volume backup`, `restore`, `export` and `import`."""
    for verb in ("backup", "export"):
        parser = verbs.add_parser(verb, help="Write all that a volume has to a tar archive.")
        parser.add_argument(
            "-o", "--output", default="-", metavar="FILE", help="File to write; standard output by default."
        )
        parser.add_argument(
            "--live", action="store_true", help="Do not pause the containers that write to the volume."
        )
        parser.add_argument("name", metavar="VOLUME")
    restoring = verbs.add_parser("restore", help="Put what a tar archive has in place of what a volume has.")
    restoring.add_argument(
        "-i", "--input", default="-", metavar="FILE", help="File to read; standard input by default."
    )
    importing = verbs.add_parser("import", help="The same, the file named behind the volume.")
    for parser in (restoring, importing):
        parser.add_argument("-f", "--force", action="store_true", help="Also when the volume has anything.")
        parser.add_argument("name", metavar="VOLUME")
    importing.add_argument("input", nargs="?", default="-", metavar="FILE|-", help="File to read.")


def run_backup(client: Client, options: argparse.Namespace) -> None:
    """Write the archive; a file gets its name when it is whole."""
    request = volume_pb2.BackUpVolumeRequest(volume=options.name, live=options.live)
    with open_output(options.output) as output:
        for answer in client.channel.stream(
            "VolumeService/BackUpVolume", request, volume_pb2.BackUpVolumeResponse
        ):
            output.write(answer.chunk)
        output.flush()


def run_restore(client: Client, options: argparse.Namespace) -> None:
    """Send the archive; nothing is changed until all of it is there."""
    with open_input(options.input) as archive:
        call = client.channel.open("VolumeService/RestoreVolume", volume_pb2.RestoreVolumeResponse)
        start = volume_pb2.RestoreVolumeStart(volume=options.name, force=options.force)
        call.send(volume_pb2.RestoreVolumeRequest(start=start))
        for chunk in read_chunks(archive):
            if call.ended:
                break
            call.send(volume_pb2.RestoreVolumeRequest(chunk=chunk))
    call.send(volume_pb2.RestoreVolumeRequest(end=volume_pb2.RestoreVolumeEnd()))
    call.end()
    for _ in call:
        print(options.name)
