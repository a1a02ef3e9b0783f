"""A small virtual machine for what the host's own kernel can't show: cgroup v2 with every controller.

It boots Debian's cloud kernel without KVM and sees the host's root file system, on which it writes nothing.
"""
