"""Settings of registries, from a flag, a variable, a file; and what is said about wrong ones."""

from pathlib import Path

import pytest

from controller.errors import Invalid
from controller.model.registries import RegistrySettings
from controller.settings import load_settings

WANTED = {
    "docker.io": RegistrySettings(mirrors=("https://mirror.example",)),
    "10.0.0.0/8": RegistrySettings(insecure=True),
}


def test_they_are_written_in_the_file_or_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "daemon.yaml"
    path.write_text(
        "registries:\n"
        "  index.docker.io: {mirrors: [mirror.example]}\n"
        "  10.0.0.0/8: {insecure: true}\n"
        "registryCertificates: [/etc/one, /etc/two]\n"
        "registryTimeout: 5s\n"
    )
    from_file = load_settings({"config": str(path)}, {})
    assert from_file.registries == WANTED
    assert (from_file.registry_certificates, from_file.registry_timeout_s) == (("/etc/one", "/etc/two"), 5.0)
    text = "{docker.io: {mirrors: ['https://mirror.example/']}, 10.0.0.0/8: {insecure: true}}"
    path.write_text("")
    given = {"config": str(path), "registries": text, "registry_certificates": "/etc/one, /etc/two"}
    assert load_settings(given, {}).registries == WANTED
    assert load_settings({"config": str(path)}, {"HOLD_REGISTRIES": text}).registries == WANTED


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("registries", "{a b: {}}", "--registries: 'a b' is not a registry"),
        ("registries", "{10.0.0.0/40: {}}", "neither HOST"),
        ("registries", "{reg: {insecur: true}}", "--registries: reg: insecur: 'insecur' is no setting there"),
        (
            "registries",
            "{reg: {mirrors: ['ftp://x']}}",
            "--registries: reg: mirrors: 0: 'ftp://x' is not a mirror",
        ),
        ("registries", "{reg: {ca: certs.pem}}", "--registries: reg: ca:"),
        ("registries", "[", "is not YAML"),
        ("registry_certificates", "certs.d", "is not an absolute path"),
        ("registry_timeout_s", "0s", "--registry-timeout"),
        ("max_concurrent_downloads", "0", "--max-concurrent-downloads"),
    ],
)
def test_a_wrong_one_is_named(tmp_path: Path, name: str, text: str, told: str) -> None:
    (tmp_path / "daemon.yaml").write_text("")
    with pytest.raises(Invalid) as caught:
        load_settings({"config": str(tmp_path / "daemon.yaml"), name: text}, {})
    assert told in caught.value.message
