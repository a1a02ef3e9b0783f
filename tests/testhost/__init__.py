"""A throw-away host made of namespaces: `python -m tests.testhost [--] COMMAND...`.

The command sees a fresh machine: no network but loopback, an empty firewall, no other processes, an empty /run, its
own host name and cgroup root. Nothing it does to these reaches the machine, and all of it ends with the command.
File systems are the machine's own, apart from /run, /proc, /sys: keep what you write below a temporary directory.

The host itself is the one of `hold daemon --sandbox`. Around it:

    peer        another machine, joined to the test host by a cable
    inventory   what a host has, so that a test can show that nothing was left
"""
