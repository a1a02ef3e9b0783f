"""Prints how long one more published port takes: `port_latency PORT ROUNDS`.

Each line has the seconds from the call to the moment when the kernel tells of its rule, and to a connection by it.

The daemon is HOLD_HOST's; the port is added to, and taken from, the running container `single`, whose server answers.
"""

import copy
import os
import select
import socket
import sys
import time

import grpc

from controller.api.v1 import resource_pb2, state_pb2, state_pb2_grpc
from controller.kernel.network.netlink import NETLINK_NETFILTER, Monitor

_NFNLGRP_NFTABLES = 7
_PATIENCE_S = 20.0
_POLL_S = 0.01
_REST_S = 0.3
"""Until the daemon and the kernel are done with what a removed port leaves."""


def _connects(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def main(port: int, rounds: int) -> None:
    """Measure and print."""
    rules = Monitor((_NFNLGRP_NFTABLES,), NETLINK_NETFILTER)
    with grpc.insecure_channel(os.environ["HOLD_HOST"]) as channel:
        state = state_pb2_grpc.StateServiceStub(channel)

        def apply(resource: resource_pb2.Resource) -> None:
            state.Apply(state_pb2.ApplyRequest(resources=[resource]))

        found = state.Get(state_pb2.GetRequest(key=state_pb2.Key(kind="Container", name="single"))).resource
        before = resource_pb2.Resource(api_version="hold/v1", kind="Container", container=found.container)
        before.metadata.name = "single"
        after = copy.deepcopy(before)
        after.container.ports.add(host_port=port, container_port=80)
        for _ in range(rounds):
            time.sleep(_REST_S)
            rules.read()
            start = time.perf_counter()
            apply(after)
            _wait_for_change(rules)
            installed_s = time.perf_counter() - start
            while not _connects(port):
                pass
            print(installed_s, time.perf_counter() - start)
            apply(before)
            while _connects(port):
                time.sleep(_POLL_S)


def _wait_for_change(rules: Monitor) -> None:
    """Return when the kernel has told of a change of the rules that was not read yet."""
    if not select.select([rules], [], [], _PATIENCE_S)[0]:
        raise TimeoutError("no rule changes")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
