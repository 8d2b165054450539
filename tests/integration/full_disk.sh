#!/bin/bash
# Full disks, and disks without inodes, under everything that a receiver and its engine write: it is
# said, and once there is room again the same receiver works. See tests/fault/full_disk.py.
exec "$(dirname "$0")/../fault/part" full_disk "$@"
