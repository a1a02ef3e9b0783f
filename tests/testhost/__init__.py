"""A throw-away host made of namespaces: `python -m tests.testhost [--] COMMAND...`.

The command sees a fresh machine: no network but loopback, an empty firewall, no other processes, an empty /run, its
own host name and cgroup root. Nothing it does to these reaches the machine, and all of it ends with the command.
File systems are the machine's own, apart from /run, /proc, /sys: keep what you write below a temporary directory.

The parts, outermost first:

    __main__    checks that it can be done; owns the cgroups; waits
    cgroups     a cgroup of its own in every hierarchy, seen from inside as the root
    processes   forks, signals passed on, exit codes; the init of the host
    syscalls    unshare, setns, mount, prctl
    peer        another machine, joined to the test host by a cable
    inventory   what a host has, so that a test can show that nothing was left
"""
