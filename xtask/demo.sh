#!/bin/sh
# What the demo types in the guest: a quarter of an hour of web traffic through a masquerading
# router, watched, and what to set for it. At full load: 1e-4 takes 30,000 connections to prove.
set -e

say() { printf '\n$ %s\n' "$*"; "$@"; }

say demo-traffic setup
say tracker profile --netns tracker-router -o /tmp/demo.db -- demo-traffic run --minutes 15 --load 1
say demo-traffic teardown
say tracker recommend /tmp/demo.db
say tracker recommend /tmp/demo.db --format sysctl
