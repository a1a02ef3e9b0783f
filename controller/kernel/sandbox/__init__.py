"""A throw-away host made of namespaces, for `hold daemon --sandbox` and for tests.

What runs in it sees a fresh machine: no network but loopback, an empty firewall, no other processes, an empty /run, its
own host name and cgroup root. Nothing it does to these reaches the machine, and all of it ends with the first process.
File systems are the machine's own, apart from /run, /proc, /sys.

The parts, outermost first:

    host        checks that it can be done; owns the cgroups; boots; waits
    cgroups     a cgroup of its own in every hierarchy, seen from inside as the root
    processes   forks, signals passed on, exit codes; the init of the host
    syscalls    unshare, setns, mount, prctl
"""
