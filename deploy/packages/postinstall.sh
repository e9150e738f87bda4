#!/bin/sh
# dpkg calls this as `configure VERSION`, with the version that was there before, if any; rpm as `1` for an
# installation and `2` for an upgrade. An installation starts nothing: there is no account to ask yet.
set -e

running() { [ -d /run/systemd/system ]; }

case "$1 $2" in
"configure " | "1 ")
  if running; then systemctl daemon-reload; fi
  cat <<'TEXT'
imstats_exporter is installed, and not started yet.
  To see it with a simulated company:  imstats_exporter demo
  With your accounts:
    1. Put each secret into a file of its own in /etc/imstats/secrets.
    2. Edit /etc/imstats/exporter.yaml, which says how.
    3. systemctl enable --now imstats_exporter
TEXT
  ;;
"configure "* | "2 ")
  # Only where it runs.
  if running; then
    systemctl daemon-reload
    systemctl try-restart imstats_exporter.service
  fi
  ;;
esac
