#!/bin/sh
# dpkg calls this as `remove`, `purge` or `upgrade VERSION`, rpm as `0` for a removal and `1` for an upgrade.
# A removal leaves the configuration, the secrets and the store. A purge, which rpm does not have, leaves the store: the
# platforms forget what it holds.
set -e

case "$1" in
remove | purge | 0)
  if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
  ;;
esac

if [ "$1" = purge ]; then
  rm -rf /etc/imstats
fi

case "$1" in
purge | 0)
  # Where the service has a user only while it runs, its folder is below private.
  for store in /var/lib/private/imstats_exporter /var/lib/imstats_exporter; do
    if [ -d "$store" ] && [ ! -L "$store" ]; then
      echo "The figures of your accounts stay in $store. To delete them: rm -r $store /var/lib/imstats_exporter"
    fi
  done
  ;;
esac
