"""The kernel of the virtual machine: Debian's package, unpacked, never installed."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_PACKAGE = "linux-image-cloud-amd64"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """A kernel and where its modules lie (`lib/modules/VERSION` below `root_path`)."""

    root_path: Path
    version: str

    @property
    def image_path(self) -> Path:
        return self.root_path / f"boot/vmlinuz-{self.version}"

    @property
    def modules_path(self) -> Path:
        return self.root_path / "lib/modules" / self.version

    def list_module_files(self, names: tuple[str, ...]) -> list[Path]:
        """Return the files of modules and of all that they need, in the order in which they can be loaded."""
        needs: dict[str, list[str]] = {}
        for line in (self.modules_path / "modules.dep").read_text().splitlines():
            path, _, rest = line.partition(":")
            needs[path] = rest.split()
        by_name = {Path(path).stem.replace("-", "_"): path for path in needs}
        ordered: dict[str, None] = {}
        for name in names:
            path = by_name[name]
            ordered |= dict.fromkeys([*reversed(needs[path]), path])
        return [self.modules_path / path for path in ordered]


def ensure_kernel(cache_path: Path) -> Kernel:
    """Return the kernel, downloaded by apt when it is not in the cache yet."""
    root_path = cache_path / "kernel"
    if not root_path.exists():
        fresh_path = cache_path / "kernel.new"
        shutil.rmtree(fresh_path, ignore_errors=True)
        fresh_path.mkdir(parents=True)
        depends = _run("apt-cache", "depends", _PACKAGE)
        found = re.search(r"Depends: (linux-image-\S+)", depends)
        if found is None:
            raise LookupError(f"{_PACKAGE} names no kernel: {depends}")
        _run("apt-get", "-q", "download", found[1], cwd=fresh_path)
        (package_path,) = fresh_path.glob("*.deb")
        _run("dpkg", "-x", str(package_path), str(fresh_path))
        package_path.unlink()
        _run("depmod", "-b", str(fresh_path), _find_version(fresh_path))
        fresh_path.rename(root_path)
    return Kernel(root_path=root_path, version=_find_version(root_path))


def _find_version(root_path: Path) -> str:
    (path,) = (root_path / "lib/modules").iterdir()
    return path.name


def _run(*command: str, cwd: Path | None = None) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=cwd).stdout
