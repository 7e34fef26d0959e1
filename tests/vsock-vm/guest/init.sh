#!/bin/busybox sh
# The init program of the virtual machine: mounts the file systems, loads the modules, runs the tests, powers off.
export PATH=/bin
busybox mkdir -p /proc /sys /dev /tmp
busybox mount -t proc proc /proc
busybox mount -t sysfs sys /sys
busybox mount -t devtmpfs dev /dev
busybox mount -t tmpfs tmp /tmp

while read -r module; do
  busybox insmod "/modules/$module.ko" || echo "# insmod $module failed"
done < /modules/order

cd /app
node --enable-source-maps --test-reporter=./tap-reporter.mjs main.mjs
echo "# node exited with $?"
busybox poweroff -f
