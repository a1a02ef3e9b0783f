"""Measures hold, Docker and Podman side by side: `make bench`.

All engines run in the same test host on the same machine in the same run, on an image of busybox. Absolute times drift
with the machine; the ratios are what counts.

    engines    how each engine is started, driven and stopped
    measures   what is measured, the same for each engine
    hold_only  what only hold can do: repairs, resync, API latency
    report     the table
"""
