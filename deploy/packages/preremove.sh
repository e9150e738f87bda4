#!/bin/sh
# dpkg calls this as `remove` or `upgrade VERSION`, rpm as `0` for a removal and `1` for an upgrade.
set -e

case "$1" in
remove | 0)
  if [ -d /run/systemd/system ]; then
    systemctl --no-reload disable --now imstats_exporter.service imstats_exporter.socket
  elif command -v systemctl >/dev/null; then
    systemctl disable imstats_exporter.service imstats_exporter.socket
  fi
  ;;
esac
