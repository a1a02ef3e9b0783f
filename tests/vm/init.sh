#!/bin/busybox sh
# The first process of the virtual machine: the host's files read-only below a layer in memory, cgroup v2, one command.
busybox=/bin/busybox
$busybox mount -t devtmpfs devtmpfs /dev
$busybox mount -t proc proc /proc
for module in /modules/*; do $busybox insmod "$module"; done
$busybox mount -t virtiofs -o ro host /host || exec $busybox poweroff -f
$busybox mount -t tmpfs tmpfs /over
$busybox mkdir /over/upper /over/work
$busybox mount -t overlay -o lowerdir=/host,upperdir=/over/upper,workdir=/over/work overlay /root
for place in run tmp var/tmp; do $busybox mount -t tmpfs -o mode=1777 tmpfs /root/$place; done
$busybox mount -t proc proc /root/proc
$busybox mount -t sysfs sysfs /root/sys
$busybox mount -t devtmpfs devtmpfs /root/dev
$busybox mkdir -p /root/dev/pts /root/dev/shm /root/run/lock
$busybox mount -t devpts devpts /root/dev/pts
$busybox mount -t tmpfs tmpfs /root/dev/shm
$busybox mount -t cgroup2 cgroup2 /root/sys/fs/cgroup
echo "+cpu +cpuset +io +memory +pids" > /root/sys/fs/cgroup/cgroup.subtree_control
$busybox ip link set lo up
$busybox cp /command /root/run/command
echo 'sh /run/command < /dev/null; echo "$?" > /dev/ttyS1; exec busybox poweroff -f' > /root/run/last
# Not by chroot alone: a container's root is put in the place of that of its mount namespace.
exec $busybox switch_root /root /bin/sh /run/last
