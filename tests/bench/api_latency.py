"""Prints the median latency of Get, List and Apply on one open connection; the daemon is HOLD_HOST's."""

import os
import statistics
import time
from collections.abc import Callable

import grpc

from controller.api.v1 import resource_pb2, state_pb2, state_pb2_grpc

_CALLS = 200


def _median_s(body: Callable[[int], object]) -> float:
    times = []
    for index in range(_CALLS):
        start = time.perf_counter()
        body(index)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    """Measure and print one line for each call."""
    with grpc.insecure_channel(os.environ["HOLD_HOST"]) as channel:
        state = state_pb2_grpc.StateServiceStub(channel)

        def apply(index: int) -> object:
            volume = resource_pb2.Resource(
                api_version="hold/v1",
                kind="Volume",
                metadata=resource_pb2.Metadata(name="bench", labels={"round": str(index)}),
                volume=resource_pb2.VolumeSpec(),
            )
            return state.Apply(state_pb2.ApplyRequest(resources=[volume]))

        key = state_pb2.Key(kind="Volume", name="bench")
        print("Apply", _median_s(apply))
        print("Get", _median_s(lambda _: state.Get(state_pb2.GetRequest(key=key))))
        print("List", _median_s(lambda _: state.List(state_pb2.ListRequest(kind="Volume"))))
        state.Delete(state_pb2.DeleteRequest(keys=[key]))


if __name__ == "__main__":
    main()
