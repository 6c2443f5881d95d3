#!/bin/busybox sh
# The guest's first process. ttyS0 is the kernel's console, ttyS1 and ttyS2 are the command's stdout and stderr, ttyS3
# carries its exit status and then, if asked for, /out as a tar stream.
/bin/busybox --install -s /bin 2>/dev/null
export PATH=@PATH@ HOME=/root TERM=dumb
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t bpf bpf /sys/fs/bpf
mount -t tracefs tracefs /sys/kernel/tracing
mount -t debugfs debugfs /sys/kernel/debug
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ln -s /proc/self/fd /dev/fd
ln -s fd/0 /dev/stdin
ln -s fd/1 /dev/stdout
ln -s fd/2 /dev/stderr
hostname guest
chmod 1777 /tmp
/bin/busybox ip link set lo up
for i in 1 2 3; do stty -F /dev/ttyS$i raw -echo || poweroff -f; done

uptime_s() { cut -d' ' -f1 /proc/uptime; }

while read -r module; do
    modprobe "$module" && continue
    echo "the guest cannot load $module" >/dev/ttyS2
    failed=1
done </guest/load
if [ "$failed" ]; then
    status=failed
else
    echo "ready $(uptime_s)" >/dev/ttyS3
    cd /root
    setsid sh /guest/command </dev/null >/dev/ttyS1 2>/dev/ttyS2
    status=$?
fi
echo "exit $status $(uptime_s) $(cat /proc/sys/kernel/tainted)" >/dev/ttyS3
[ -e /guest/out ] && tar -C /out -cz . >/dev/ttyS3
poweroff -f
