"""Prints how long one more published port takes: `port_latency PORT ROUNDS`, from the call to the first connection.

The daemon is HOLD_HOST's; the port is added to, and taken from, the running container `single`, whose server answers.
"""

import copy
import os
import socket
import statistics
import sys
import time

import grpc

from controller.api.v1 import resource_pb2, state_pb2, state_pb2_grpc


def _connects(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def main(port: int, rounds: int) -> None:
    """Measure and print the median in seconds."""
    times = []
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
            start = time.perf_counter()
            apply(after)
            while not _connects(port):
                pass
            times.append(time.perf_counter() - start)
            apply(before)
            while _connects(port):
                time.sleep(0.01)
    print(statistics.median(times))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
