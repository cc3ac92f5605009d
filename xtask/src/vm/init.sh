#!/bin/sh
# Process 1 of a guest: makes the system look like one, runs /command, sends
# its output and its exit code out by the two virtio ports, powers off.
export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts pts /dev/pts
for dir in /dev/shm /tmp /run; do mount -t tmpfs -o mode=1777 tmpfs $dir; done
mount -t tracefs tracefs /sys/kernel/tracing
mount -t debugfs debugfs /sys/kernel/debug
mount -t bpf bpf /sys/fs/bpf
mount -t cgroup2 cgroup2 /sys/fs/cgroup

for module in /modules/*.ko; do
    insmod "$module" || echo "<2>init: insmod $module failed" >/dev/kmsg
done
ip link set lo up
if [ -d /sys/class/net/eth0 ]; then ip addr add 10.0.2.15/24 dev eth0 && ip link set eth0 up; fi
echo 4 >/proc/sys/vm/nr_hugepages
hostname guest
ulimit -l unlimited
if [ -b /dev/vda ]; then mount -t ext4 /dev/vda /mnt; fi
if [ -b /dev/vdb ]; then mkdir -p /mnt/reflink && mount -t xfs /dev/vdb /mnt/reflink; fi
if [ -b /dev/vdc ]; then mkdir -p /mnt/btrfs && mount -t btrfs /dev/vdc /mnt/btrfs; fi
if [ -b /dev/pmem0 ]; then mkdir -p /mnt/dax && mount -t ext4 -o dax /dev/pmem0 /mnt/dax; fi

cd /
[ -c /dev/vport0p2 ] || echo "<2>init: no virtio port for the exit code" >/dev/kmsg
sh /command </dev/null >/dev/vport0p1 2>&1
echo "exit=$?" >/dev/vport0p2
poweroff -f
