"""Where everything lies on disk: pure functions of two directories and a uid."""

from dataclasses import dataclass

from controller.model.ids import Uid


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Paths below `root_path` (survives a reboot) and `run_path` (does not); both absolute.

    `instance` marks kernel objects that have no path, so that several daemons can share a host.
    """

    root_path: str
    run_path: str
    instance: str

    @property
    def database_path(self) -> str:
        return f"{self.root_path}/hold.db"

    @property
    def socket_path(self) -> str:
        return f"{self.run_path}/hold.sock"

    @property
    def plugins_path(self) -> str:
        """Where the sockets of plugins are."""
        return f"{self.run_path}/plugins"

    @property
    def blobs_path(self) -> str:
        return f"{self.root_path}/images/blobs"

    @property
    def layers_path(self) -> str:
        return f"{self.root_path}/images/layers"

    def layer_path(self, chain_id: str) -> str:
        """Directory of an unpacked layer; `chain_id` is `sha256:HEX` (OCI image specification, layer ChainID)."""
        return f"{self.layers_path}/{chain_id.replace(':', '-')}"

    def find_chain_id(self, path: str) -> str | None:
        """Return the chain id of the layer that is unpacked at `path`, None when the path is no layer's."""
        directory, _, name = path.rpartition("/")
        return name.replace("-", ":", 1) if directory == self.layers_path else None

    @property
    def containers_path(self) -> str:
        return f"{self.root_path}/containers"

    def container_path(self, uid: Uid) -> str:
        """Directory of what a container keeps across reboots: upper, work, logs."""
        return f"{self.containers_path}/{uid}"

    def upper_path(self, uid: Uid) -> str:
        return f"{self.container_path(uid)}/upper"

    def work_path(self, uid: Uid) -> str:
        return f"{self.container_path(uid)}/work"

    def log_path(self, uid: Uid) -> str:
        """The log in the CRI format; rotated files have a number appended."""
        return f"{self.container_path(uid)}/log/container.log"

    @property
    def volumes_path(self) -> str:
        return f"{self.root_path}/volumes"

    def volume_path(self, uid: Uid) -> str:
        """The data directory of a volume."""
        return f"{self.volumes_path}/{uid}/_data"

    @property
    def bundles_path(self) -> str:
        return f"{self.run_path}/containers"

    def bundle_path(self, uid: Uid) -> str:
        """The OCI bundle: config.json, hosts, resolv.conf, hostname, pid files."""
        return f"{self.bundles_path}/{uid}"

    def staging_path(self, uid: Uid) -> str:
        """Directory of what is mounted on the host for a container's own mounts to be made of."""
        return f"{self.roots_path}/.staged/{uid}"

    @property
    def roots_path(self) -> str:
        return f"{self.run_path}/rootfs"

    def merged_path(self, uid: Uid) -> str:
        """Mount point of the container's root file system."""
        return f"{self.roots_path}/{uid}"

    @property
    def netns_dir_path(self) -> str:
        return f"{self.run_path}/netns"

    def netns_path(self, uid: Uid) -> str:
        """Bind mount that keeps the container's network namespace."""
        return f"{self.netns_dir_path}/{uid}"

    def userns_path(self, uid: Uid) -> str:
        """Bind mount that keeps the user namespace which owns the container's network namespace."""
        return f"{self.netns_dir_path}/users/{uid}"

    @property
    def exits_path(self) -> str:
        """Directory where conmon leaves exit codes, a file named by uid for each."""
        return f"{self.run_path}/exits"

    @property
    def runtime_state_path(self) -> str:
        """State directory of the OCI runtime (`--root`)."""
        return f"{self.run_path}/runtime"

    @property
    def dns_path(self) -> str:
        return f"{self.run_path}/dns"
