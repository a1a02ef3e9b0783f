"""Templates that were written for Docker's inspect."""

from typing import Any

import pytest

from controller.cli.docker_limits import view_health, view_healthcheck, view_limits
from controller.cli.docker_networks import complete_places
from controller.cli.docker_view import view_as_docker
from controller.cli.formats import Format

WEB: dict[str, Any] = {
    "apiVersion": "hold/v1",
    "kind": "Container",
    "metadata": {"name": "web", "uid": "f" * 32, "labels": {"app": "shop"}, "createdAt": "2026-01-01T00:00:00Z"},
    "spec": {
        "image": "shop:1",
        "command": ["httpd", "-f"],
        "environment": {"A": "1"},
        "networks": [{"name": "shop", "aliases": ["www"]}],
        "mounts": [{"type": "volume", "source": "data", "target": "/data", "readOnly": True}],
        "restart": {"name": "on-failure", "maxRetries": 3},
        "resources": {"memory": 1024, "cpus": 0.5},
    },
    "status": {
        "phase": "Running",
        "pid": 7,
        "restarts": 2,
        "networks": [{"name": "shop", "ipv4": "10.0.0.2", "mac": "02:00:00:00:00:01", "gateway": "10.0.0.1"}],
        "ports": [{"containerPort": 80, "hostPort": 8080, "protocol": "tcp"}],
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{.State.Running}} {{.State.Status}} {{.State.Pid}} {{.State.ExitCode}}", "true running 7 0"),
        ("{{.Name}} {{.Id}}", "/web " + "f" * 32),
        ("{{.NetworkSettings.IPAddress}}", "10.0.0.2"),
        ("{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", "10.0.0.2"),
        ("{{range $name, $net := .NetworkSettings.Networks}}{{$name}}{{$net.Aliases}}{{end}}", "shop[www]"),
        ('{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}', "8080"),
        ('{{index .Config.Labels "app"}} {{.Config.Env}} {{json .Config.Cmd}}', 'shop [A=1] ["httpd","-f"]'),
        (
            "{{.HostConfig.RestartPolicy.Name}}:{{.HostConfig.RestartPolicy.MaximumRetryCount}}",
            "on-failure:3",
        ),
        ("{{.HostConfig.NanoCpus}} {{.HostConfig.Memory}} {{.RestartCount}}", "500000000 1024 2"),
        ("{{range .Mounts}}{{.Name}}:{{.Destination}}:{{.RW}}{{end}}", "data:/data:false"),
        ("{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}", "none"),
        ("{{.metadata.name}} {{.status.pid}} {{.Status.Pid}} {{.Metadata.Labels.app}}", "web 7 7 shop"),
    ],
)
def test_dockers_fields_stand_beside_holds_own(template: str, text: str) -> None:
    assert Format(template).fill(view_as_docker(WEB)) == text


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{range .Mounts}}{{.Name}}:{{.Destination}} {{end}}", "a1:/own b2:/image "),
        (
            "{{.HostConfig.CapAdd}} {{.HostConfig.SecurityOpt}}",
            "[CAP_KILL] [no-new-privileges seccomp=unconfined]",
        ),
        ("{{(index .HostConfig.Devices 0).PathInContainer}} {{.HostConfig.ShmSize}}", "/dev/a 67108864"),
        (
            "{{.HostConfig.Links}} {{.HostConfig.VolumesFrom}} {{.HostConfig.ExtraHosts}}",
            "[/db:sql] [db:ro] [a:::1]",
        ),
        ("{{.HostConfig.NetworkMode}} {{.HostConfig.PidMode}}", "container:db host"),
    ],
)
def test_isolation_is_seen(template: str, text: str) -> None:
    spec = {
        "networkMode": "container:db",
        "pid": "host",
        "mounts": [{"type": "volume", "target": "/own"}],
        "capAdd": ["CAP_KILL"],
        "securityOpt": {"noNewPrivileges": True, "seccomp": "unconfined"},
        "devices": [{"source": "/dev/a"}],
        "links": [{"container": "db", "alias": "sql"}],
        "volumesFrom": [{"container": "db", "readOnly": True}],
        "extraHosts": [{"hostname": "a", "address": "::1"}],
    }
    status = {"volumes": {"/own": "a1", "/image": "b2"}}
    assert Format(template).fill(view_as_docker({**WEB, "spec": spec, "status": status})) == text


@pytest.mark.parametrize(
    ("kind", "template", "text"),
    [
        ("Network", "{{range .IPAM.Config}}{{.Subnet}}{{end}} {{.Driver}} {{.Internal}}", "10.1.0.0/24 bridge true"),
        ("Volume", "{{.Mountpoint}} {{.Name}}", "/var/x a"),
        ("Image", "{{.Name}}", "a"),
    ],
)  # fmt: skip
def test_other_kinds(kind: str, template: str, text: str) -> None:
    document = {
        "kind": kind,
        "metadata": {"name": "a"},
        "spec": {"internal": True},
        "status": {"subnet": "10.1.0.0/24", "path": "/var/x"},
    }
    assert Format(template).fill(view_as_docker(document)) == text


def test_limits_and_health() -> None:
    spec: dict[str, Any] = {
        "resources": {"memory": 8, "cpus": 0.5, "blockIO": {"devices": {"/dev/vda": {"readBps": 7}}}},
        "ulimits": {"nofile": {"soft": 1, "hard": 2}},
        "healthcheck": {"test": ["CMD", "true"], "interval": 5},
    }
    health = {"state": "unhealthy", "failingStreak": 3, "log": [{"exitCode": 1, "output": "no"}]}
    limits = view_limits(spec)
    assert (limits["Memory"], limits["MemorySwap"], limits["NanoCpus"]) == (8, 16, 500_000_000)
    assert limits["BlkioDeviceReadBps"] == [{"Path": "/dev/vda", "Rate": 7}]
    assert limits["Ulimits"] == [{"Name": "nofile", "Soft": 1, "Hard": 2}]
    assert view_limits({})["Memory"] == view_limits({})["MemorySwap"] == 0
    assert view_healthcheck(spec["healthcheck"])["Interval"] == 5_000_000_000
    assert view_health(health)["Log"] == [{"Start": "", "End": "", "ExitCode": 1, "Output": "no"}]


def test_places_and_bindings_are_seen() -> None:
    spec = {
        "networks": [
            {"name": "n", "ipv4": "10.1.0.9", "linkLocalIPs": ["169.254.1.1"], "gatewayPriority": 2}
        ],
        "ports": [{"hostPort": 80, "containerPort": 8080}, {"containerPort": 90, "protocol": "udp"}],
    }
    status = {"networks": [{"name": "n", "ipv4": "10.1.0.9", "mac": "02:00:00:00:00:01"}]}
    view = view_as_docker({**WEB, "spec": spec, "status": status})
    assert view["HostConfig"]["PortBindings"] == {
        "8080/tcp": [{"HostIp": "", "HostPort": "80"}],
        "90/udp": [{"HostIp": "", "HostPort": ""}],
    }
    network = {"metadata": {"uid": "abc"}, "status": {"subnet": "10.1.0.0/24", "gateway": "10.1.0.1"}}
    settings = complete_places(view, {"n": network})
    place = settings["Networks"]["n"]
    assert (place["NetworkID"], place["IPPrefixLen"], place["Gateway"]) == ("abc", 24, "10.1.0.1")
    assert (settings["IPAddress"], settings["IPPrefixLen"], settings["Gateway"]) == (
        "10.1.0.9",
        24,
        "10.1.0.1",
    )
    assert place["IPAMConfig"] == {"IPv4Address": "10.1.0.9", "LinkLocalIPs": ["169.254.1.1"]}
    assert complete_places(view_as_docker(WEB), {})["IPPrefixLen"] == 0


def test_a_network_is_seen_with_its_options() -> None:
    document = {
        "kind": "Network",
        "metadata": {"name": "n", "uid": "abc"},
        "spec": {
            "mtu": 1400,
            "interContainer": False,
            "reservedAddresses": {"r": "10.1.0.5"},
            "ipRange": "10.1.0.128/25",
        },
        "status": {"subnet": "10.1.0.0/24", "gateway": "10.1.0.1"},
        "containers": {"web": {"uid": "f", "ipv4": "10.1.0.2", "mac": "02:00:00:00:00:01"}},
    }
    view = view_as_docker(document)
    assert view["Options"] == {
        "com.docker.network.bridge.enable_icc": "false",
        "com.docker.network.driver.mtu": "1400",
    }
    (pool,) = view["IPAM"]["Config"]
    assert (pool["IPRange"], pool["AuxiliaryAddresses"]) == ("10.1.0.128/25", {"r": "10.1.0.5"})
    assert view["Containers"]["f"]["IPv4Address"] == "10.1.0.2/24"
    assert (view["Attachable"], view["ConfigFrom"]) == (False, {"Network": ""})
