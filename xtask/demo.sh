#!/bin/sh
# What the demo types in the guest.
set -e

say() { printf '\n$ %s\n' "$*"; "$@"; }

say tracker profile --netns all -o /tmp/demo.db -- demo-traffic
say tracker show /tmp/demo.db
say tracker recommend /tmp/demo.db
say tracker recommend /tmp/demo.db --format sysctl
