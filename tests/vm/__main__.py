"""Run a command in the virtual machine, as root, in the present directory: `python -m tests.vm [--] COMMAND...`.

Exits with the command's code; 77 where the machine can't be made here (root, qemu and virtiofsd are needed), or 1 where
HOLD_REQUIRE_KERNEL=1 asks for it; 125 when the machine ended without an answer.
"""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.vm.initramfs import list_entries, render_initramfs
from tests.vm.kernel import ensure_kernel

EXIT_SKIPPED, EXIT_NO_ANSWER = 77, 125
LONGEST_S = 1800
_CACHE_PATH = Path(__file__).parents[2] / "build/vm"
_QEMU = "qemu-system-x86_64"
_VIRTIOFSD_PATHS = (Path("/usr/lib/qemu/virtiofsd"), Path("/usr/libexec/virtiofsd"))
_MODULES = (
    *("virtio_pci", "virtiofs", "overlay", "virtio_blk", "veth", "bridge"),
    *("macvlan", "ipvlan", "dummy", "8021q"),
    *("nft_compat", "nft_chain_nat", "xt_nat", "xt_MASQUERADE", "xt_addrtype", "xt_conntrack", "xt_comment"),
)
_DISK_BYTES = 64 << 20
_MEMORY = "1536M"


def main(arguments: Sequence[str]) -> int:
    """The command line; returns the exit code."""
    command = arguments[1:] if arguments[:1] == ["--"] else arguments
    if not command:
        print(__doc__, file=sys.stderr)
        return 2
    virtiofsd_path = next((path for path in _VIRTIOFSD_PATHS if path.exists()), None)
    if os.geteuid() != 0 or shutil.which(_QEMU) is None or virtiofsd_path is None:
        print("virtual machine: root, qemu-system-x86 and virtiofsd are needed", file=sys.stderr)
        return 1 if os.environ.get("HOLD_REQUIRE_KERNEL") == "1" else EXIT_SKIPPED
    with tempfile.TemporaryDirectory(prefix="hold-vm-") as scratch:
        return _run(Path(scratch), virtiofsd_path, command)


def _run(scratch_path: Path, virtiofsd_path: Path, command: Sequence[str]) -> int:
    kernel = ensure_kernel(_CACHE_PATH)
    initramfs_path, answer_path = scratch_path / "initramfs", scratch_path / "answer"
    script = "\n".join(
        [
            f"mkdir -p /lib/modules && mount --bind {shlex.quote(str(kernel.root_path / 'lib/modules'))} /lib/modules",
            "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8",
            "export HOLD_TEST_HOST=1 HOLD_TEST_VM=1 HOLD_REQUIRE_KERNEL=1",
            f"cd {shlex.quote(str(Path.cwd()))} && exec {shlex.join(command)} 2>&1",
            "",
        ]
    )
    init = Path(__file__).with_name("init.sh").read_text()
    entries = list_entries(Path("/bin/busybox"), init, kernel.list_module_files(_MODULES), script)
    initramfs_path.write_bytes(render_initramfs(entries))
    with (scratch_path / "disk").open("wb") as disk:
        disk.truncate(_DISK_BYTES)
    with _sharing_files(scratch_path, virtiofsd_path) as socket_path:
        options = [
            "-machine", "q35,accel=tcg", "-cpu", "max", "-smp", "2", "-m", _MEMORY,
            "-object", f"memory-backend-memfd,id=mem,size={_MEMORY},share=on", "-numa", "node,memdev=mem",
            "-kernel", str(kernel.image_path), "-initrd", str(initramfs_path),
            "-append", "console=ttyS0 quiet panic=-1", "-no-reboot", "-display", "none", "-nic", "none",
            "-chardev", f"socket,id=host,path={socket_path}",
            "-device", "vhost-user-fs-pci,chardev=host,tag=host",
            "-drive", f"file={scratch_path}/disk,if=virtio,format=raw",
            "-serial", "stdio", "-serial", f"file:{answer_path}",
        ]  # fmt: skip
        subprocess.run([_QEMU, *options], check=False, timeout=LONGEST_S, stdin=subprocess.DEVNULL)
    answer = answer_path.read_text().strip() if answer_path.exists() else ""
    return int(answer) if answer.isdigit() else EXIT_NO_ANSWER


@contextmanager
def _sharing_files(scratch_path: Path, virtiofsd_path: Path) -> Iterator[Path]:
    """Offer the host's root on a socket; the guest mounts it read-only."""
    socket_path = scratch_path / "files.sock"
    command = [
        str(virtiofsd_path),
        f"--socket-path={socket_path}",
        "-o",
        "source=/",
        "-o",
        "cache=always,sandbox=chroot",
    ]
    with (scratch_path / "virtiofsd.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        while not socket_path.exists() and process.poll() is None:
            time.sleep(0.01)
        yield socket_path
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
