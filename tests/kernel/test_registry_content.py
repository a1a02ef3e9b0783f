"""Every packing of layers, and large ones, through a registry and back."""

import asyncio
import json
import os
from pathlib import Path

import pytest

from controller.model.pulls import TransferState
from tests.kernel.registry_client import make_client
from tests.registries.debian import RegistryServer, running_registry
from tests.registries.layouts import OCI_LAYER, PACKINGS, make_image, write_layout

LARGE_BYTES = 20 << 20


def copy_packed(server: RegistryServer, layout: str, name: str, *flags: str) -> None:
    """Let skopeo pack the layers anew on the way in."""
    server.skopeo("copy", "--dest-tls-verify=false", *flags, layout, f"docker://{server.name}/{name}")


@pytest.mark.parametrize("packing", sorted(PACKINGS))
async def test_each_packing_comes_to_the_same_layers(tmp_path: Path, packing: str) -> None:
    layers = [{"bin/program": b"#!" * 5000}, {"etc/more": b"more"}]
    image = make_image(layers, packing=packing)
    write_layout(tmp_path / "layout", {"one": image})
    with running_registry(tmp_path / "registry") as server:
        layout = f"oci:{tmp_path}/layout:one"
        await asyncio.to_thread(copy_packed, server, layout, "shop:1", "--preserve-digests")
        client = await make_client(tmp_path / "client")
        pulled = await client.pull(f"{server.name}/shop:1")
        assert f"{OCI_LAYER}{packing}" in json.dumps(image.manifest)
        if packing != "+zstd":  # which Docker's schema 2 does not know
            await asyncio.to_thread(copy_packed, server, layout, "shop:schema2", "--format", "v2s2")
            second = await client.pull(f"{server.name}/shop:schema2")
            assert (second.facts.layers, second.digest != pulled.digest) == (pulled.facts.layers, True)
        states = await client.push(f"{server.name}/again:1", pulled.facts.manifest_digest)
        assert set(states) <= {TransferState.PUSHED, TransferState.UPLOADING}
        again = await (await make_client(tmp_path / "other")).pull(f"{server.name}/again:1")
        assert (again.digest, again.facts.layers) == (image.manifest_digest, pulled.facts.layers)


async def test_a_large_layer_goes_in_pieces(tmp_path: Path) -> None:
    image = make_image([{"large": os.urandom(LARGE_BYTES)}])
    write_layout(tmp_path / "layout", {"one": image})
    with running_registry(tmp_path / "registry") as server:
        await asyncio.to_thread(
            copy_packed, server, f"oci:{tmp_path}/layout:one", "shop:1", "--format", "oci"
        )
        client = await make_client(tmp_path / "client")
        pulled = await client.pull(f"{server.name}/shop:1")
        await client.push(f"{server.name}/sent:1", pulled.facts.manifest_digest)
        assert server.count_requests("PATCH", "/v2/sent/blobs/uploads/") == 3
        progress = [each.done_bytes for each in client.transfers if each.state is TransferState.UPLOADING]
        assert progress == sorted(progress)
        target_path = tmp_path / "copied"
        await asyncio.to_thread(server.copy_out, "sent:1", f"dir:{target_path}")
        (blob,) = image.layer_digests
        assert (target_path / blob.partition(":")[2]).read_bytes() == image.blobs[blob]
