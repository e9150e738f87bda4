#!/usr/bin/env bash
# test.sh PROGRAM: builds the packages and tries them in a bare Debian with systemd, on this machine, without network:
# installed, configured, started, asked, upgraded, removed and purged (installed.sh); the .rpm is installed and removed
# by rpm. Needs root, debootstrap, systemd-nspawn, rpm, openssl, nfpm. The Debian stays in target/packages for the next time.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=deploy/packages
folder=$PWD/target/packages
suite=bookworm
mkdir -p "$folder"
root=$folder/root
trap 'rm -rf "$root"' EXIT

echo "== packages: build"
# As in a release, without what debuggers read.
strip -o "$folder/imstats_exporter" "$1"
rm -rf "$folder/old" "$folder/new"
VERSION=0.0.1 $here/build.sh "$folder/imstats_exporter" "$folder/old"
$here/build.sh "$folder/imstats_exporter" "$folder/new"

echo "== packages: a bare Debian"
if [ ! -f "$folder/$suite.tar" ]; then
  rm -rf "$root"
  debootstrap --variant=minbase --include=systemd-sysv,curl "$suite" "$root" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" >"$folder/debootstrap.log" ||
    { tail "$folder/debootstrap.log"; exit 1; }
  tar -C "$root" -cf "$folder/$suite.tar.new" . && mv "$folder/$suite.tar.new" "$folder/$suite.tar"
fi
rm -rf "$root" && mkdir "$root" && tar -C "$root" -xf "$folder/$suite.tar"

echo "== packages: .rpm"
rpm -qp --list "$folder"/new/*.rpm
# Nothing else is installed by rpm here, so what it needs of others is not asked for.
rpm="rpm --force-debian --root $root --nodeps"
$rpm --install "$folder"/old/*.rpm
grep -q '^#wecom:' "$root/etc/imstats/exporter.yaml"
[ "$(stat -c %a:%U:%G "$root/etc/imstats/secrets")" = 700:root:root ]
[ "$(chroot "$root" imstats_exporter --version | wc -l)" = 1 ]
echo "# changed" >>"$root/etc/imstats/exporter.yaml"
$rpm --upgrade "$folder"/new/*.rpm
grep -q '^# changed' "$root/etc/imstats/exporter.yaml"
$rpm --verify imstats-exporter | grep -v ' c /etc/imstats/exporter.yaml$' && exit 1
$rpm --erase imstats-exporter
[ ! -e "$root/usr/bin/imstats_exporter" ]
grep -q '^# changed' "$root/etc/imstats/exporter.yaml.rpmsave"
rm -rf "$root" && mkdir "$root" && tar -C "$root" -xf "$folder/$suite.tar"

echo "== packages: .deb"
mkdir "$root/packages"
cp "$folder"/old/*.deb "$folder"/new/*.deb $here/installed.sh "$root/packages"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
  -addext subjectAltName=DNS:localhost -keyout "$root/packages/exporter.key" -out "$root/packages/exporter.pem" 2>/dev/null
cat >"$root/etc/systemd/system/packages-test.service" <<'UNIT'
[Unit]
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=oneshot
ExecStart=/bin/bash /packages/installed.sh
StandardOutput=file:/packages/log
StandardError=inherit
TimeoutStartSec=300
UNIT
# Its own processes, files and network, of which there is loopback alone.
systemd-nspawn --quiet --register=no --keep-unit --private-network --directory "$root" \
  --console=pipe --boot systemd.unit=multi-user.target systemd.wants=packages-test.service >"$folder/boot.log" 2>&1 || true
cat "$root/packages/log"
grep -qx 'all of it passed' "$root/packages/log" || { tail -20 "$folder/boot.log"; exit 1; }
