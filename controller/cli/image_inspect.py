"""image inspect: an image as Docker's API describes it."""

import argparse
import json
import sys
from typing import Any

from controller.api.v1 import image_pb2
from controller.cli.client import NOT_FOUND, Client
from controller.cli.formats import Format
from controller.cli.transport import CallFailed


def add_image_inspect(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `hold image inspect`."""
    parser.add_argument(
        "images", nargs="+", metavar="IMAGE", help="Name of an image, or the beginning of its id."
    )
    parser.add_argument(
        "-f", "--format", default="", help="Template such as '{{.Id}}' or '{{json .Config.Env}}'."
    )


def run_image_inspect(client: Client, options: argparse.Namespace) -> int:
    """Print images as a JSON list, or a line for each by the template; exit code 1 when one is not there."""
    documents, complaints = _find_all(client, options.images)
    if options.format in ("", "json"):
        print(json.dumps(documents, indent=None if options.format else 4, ensure_ascii=False))
    else:
        template = Format(options.format)
        for document in documents:
            print(template.fill(document))
    for complaint in complaints:
        print(f"hold: {complaint}", file=sys.stderr)
    return 1 if complaints else 0


def _find_all(client: Client, names: list[str]) -> tuple[list[dict[str, Any]], list[CallFailed]]:
    """Return the images that are there, and why the others could not be had."""
    documents, complaints = [], []
    for name in names:
        try:
            documents.append(make_document(ask(client, name)))
        except CallFailed as error:
            if error.code != NOT_FOUND:
                raise
            complaints.append(error)
    return documents, complaints


def ask(client: Client, name: str) -> image_pb2.InspectImageResponse:
    """Return what the daemon tells of an image."""
    request = image_pb2.InspectImageRequest(name=name)
    return client.channel.unary("ImageService/InspectImage", request, image_pb2.InspectImageResponse)


def make_document(answer: image_pb2.InspectImageResponse) -> dict[str, Any]:
    """Return the fields by Docker's names; Config is the configuration's own, with everything in it."""
    stored = json.loads(answer.document)
    return {
        "Id": answer.image.id,
        "RepoTags": [name for name in answer.image.names if "@" not in name],
        "RepoDigests": list(answer.image.repository_digests),
        "Comment": stored.get("comment") or _find_comment(answer),
        "Created": stored.get("created") or answer.image.created_at.ToJsonString(),
        "Author": stored.get("author") or "",
        "Config": stored.get("config") or {},
        "Architecture": answer.image.architecture,
        "Variant": stored.get("variant") or "",
        "Os": answer.image.os,
        "Size": answer.image.size_bytes,
        "RootFS": {"Type": "layers", "Layers": [layer.diff_id for layer in answer.layers]},
        "Containers": list(answer.image.containers),
        "Descriptor": {"digest": answer.manifest_digest},
    }


def _find_comment(answer: image_pb2.InspectImageResponse) -> str:
    """Return the comment of the latest step."""
    return answer.history[0].comment if answer.history else ""
