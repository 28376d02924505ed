#!/bin/sh
# First process of a guest: mounts what programs expect, runs the steps, switches the machine off.
export PATH=/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t securityfs security /sys/kernel/security
mount -t tracefs tracing /sys/kernel/tracing
mount -t bpf bpf /sys/fs/bpf
mount -t cgroup2 none /sys/fs/cgroup
mkdir -p /dev/pts /dev/shm
mount -t devpts pts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
insmod /overlay.ko
ip link set lo up
ulimit -n 4096

# Everything the host is to know goes through the second serial line, as it is.
stty -F /dev/ttyS1 raw
exec >/dev/ttyS1 2>&1
echo "@booted $(uname -r)"
for step in /steps/*; do
    name=${step##*/}
    name=${name#*-}
    echo "@begin $name"
    cd /root
    sh "$step"
    status=$?
    # What a step wrote last need not end its line.
    echo
    echo "@end $name $status"
done
echo "@done"
# The line is emptied before the power goes.
stty -F /dev/ttyS1 raw
poweroff -f
