#!/usr/bin/env bash
# Run by test.sh in a Debian that systemd has started, with the packages of two versions in /packages.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive HOME=/root
cd /packages
new=$(ls imstats-exporter_*.deb | grep -v _0.0.1_)
unit=imstats_exporter.service
secrets=/etc/imstats/secrets
given=/run/credentials/$unit

fail() { echo "FAILED: $*"; systemctl status --no-pager --lines=30 $unit || true; exit 1; }
trap 'fail "line $LINENO"' ERR
step() { echo "-- $*"; }
# is WHAT WANTED COMMAND...: what a command prints.
is() { local got; got=$("${@:3}" 2>&1) || true; [ "$got" = "$2" ] || fail "$1: '$got' instead of '$2'"; echo "   $1: $got"; }
# Waits until a command goes well.
until_ok() { for _ in $(seq 150); do if "$@" >/dev/null 2>&1; then return; fi; sleep 0.2; done; fail "not in 30 s: $*"; }
apt() { apt-get "$1" -y -qq --no-install-recommends "$2" >apt.log 2>&1 || { cat apt.log; fail "apt $*"; }; }
figures() { curl --silent --fail --cacert exporter.pem "$@" | grep -c '^wecom_contact_'; }

step "apt install ./imstats-exporter_0.0.1: nothing is started"
touch before
apt install "$(ls ./imstats-exporter_0.0.1_*.deb)"
grep -A5 '^imstats_exporter is installed' apt.log
is "enabled" disabled systemctl is-enabled $unit
is "running" inactive systemctl is-active $unit
dpkg -L imstats-exporter | while read -r path; do [ -e "$path" ] || fail "$path is missing"; done
modes() { find "$@" -printf '%m %u:%g %p\n' | sort -k3; }
modes /etc/imstats /etc/default/imstats_exporter /usr/bin/imstats_exporter /usr/lib/systemd/system/imstats_exporter.*
is "secrets" "700 root:root $secrets" modes $secrets
is "configuration" "644 root:root /etc/imstats/exporter.yaml" modes /etc/imstats/exporter.yaml
is "program" "755 root:root /usr/bin/imstats_exporter" modes /usr/bin/imstats_exporter
[ -z "$(find $(dpkg -L imstats-exporter) -maxdepth 0 -perm /022)" ] || fail "others may write"
zcat /usr/share/man/man1/imstats_exporter.1.gz | grep -q '^\.TH imstats_exporter' || fail "no manual page"
bash -n /usr/share/bash-completion/completions/imstats_exporter

step "systemd on the unit"
systemd-analyze verify --man=no /usr/lib/systemd/system/imstats_exporter.service /usr/lib/systemd/system/imstats_exporter.socket
systemd-analyze security --no-pager --threshold=20 $unit | tail -1

step "without an account it says so"
if systemctl start $unit 2>/dev/null; then fail "it started"; fi
journalctl --no-pager -o cat -u $unit | grep -m1 'no account' || fail "the log says nothing of accounts"
systemctl stop $unit

step "with accounts, at simulated platforms"
systemd-run --quiet --unit=platforms --property=DynamicUser=yes /usr/bin/imstats_exporter simulate
until_ok curl --silent --output /dev/null 127.0.0.1:10102
simulated=$(journalctl --no-pager -o cat -u platforms)
secret() { grep -oP "^ *$1: \"\K[^\"]+" <<<"$simulated" | head -1; }
install -m 600 <(secret secret) $secrets/wecom
install -m 600 <(secret app_secret) $secrets/feishu
install -m 600 <(secret secret_key) $secrets/desk
install -m 600 <(grep -oP 'kf: .*secret: "\K[^"]+' <<<"$simulated") $secrets/wecom_kf
# As the file says, with the ids of the simulated company.
id() { grep -oP "^ *$1: \K\S+" <<<"$simulated"; }
sed -i -e '/^$/,$ s/^#//' -e "s/^\( *- account: \).*/\1acme\n    base_url: http:\/\/127.0.0.1:10102/" \
  -e "s/\(corp_id: \).*/\1$(id corp_id)/" -e "s/\( app_id: \).*/\1$(id app_id)/" \
  -e "s/\(sdk_app_id: \).*/\1$(id sdk_app_id)/" -e "s/\(identifier: \).*/\1$(id identifier)/" /etc/imstats/exporter.yaml
systemctl enable --quiet --now $unit
is "running" active systemctl is-active $unit
until_ok figures http://localhost:10101/metrics
echo "   figures: $(figures http://localhost:10101/metrics) lines of wecom_contact"
pid=$(systemctl show -P MainPID $unit)
user=$(stat -c %u "/proc/$pid")
[ "$user" != 0 ] || fail "it runs as root"
echo "   user $user; $(grep NoNewPrivs "/proc/$pid/status" | xargs); $(grep CapEff "/proc/$pid/status" | xargs)"
is "store" "700 $user:$user /var/lib/private/imstats_exporter" modes -H /var/lib/private/imstats_exporter -maxdepth 0
for path in $secrets/wecom $given/secret_wecom /var/lib/private/imstats_exporter/imstats.db; do
  [ -e "$path" ] || fail "there is no $path"
  ! su -s /bin/sh nobody -c "cat $path" >/dev/null 2>&1 || fail "nobody can read $path"
done

step "commands of an administrator beside the service"
imstats_exporter check --online --config.file /etc/imstats/exporter.yaml | tail -3
imstats_exporter backfill --config.file /etc/imstats/exporter.yaml --storage.path /var/lib/imstats_exporter \
  --from "$(date -d '10 days ago' +%F)" --to "$(date +%F)" 2>&1 | tail -1
systemctl reload $unit
systemctl restart $unit
until_ok figures http://localhost:10101/metrics
foreign=$(find /var/lib/private/imstats_exporter ! -uid "$user" | head -1)
[ -z "$foreign" ] || fail "$foreign does not belong to the service"

step "TLS and a user, without a change of the unit"
cp exporter.pem exporter.key $secrets
cat >$secrets/web.yml <<'WEB'
tls_server_config: {cert_file: secret_exporter.pem, key_file: secret_exporter.key}
# The password is "test".
basic_auth_users: {prometheus: $2b$12$hNf2lSsxfm0.i4a.1kVpSOVyBCfIB51VRjgBUyv6kdnyTlgWj81Ay}
WEB
chmod 600 $secrets/*
sed -i 's/^#\(IMSTATS_WEB_CONFIG_FILE=\)/\1/' /etc/default/imstats_exporter
systemctl restart $unit
until_ok figures --user prometheus:test https://localhost:10101/metrics
is "without a password" 401 curl --silent --output /dev/null --write-out '%{http_code}' --cacert exporter.pem https://localhost:10101/metrics

step "apt install ./$new: it keeps what was changed, and runs again"
pid=$(systemctl show -P MainPID $unit)
cp /etc/imstats/exporter.yaml /etc/default/imstats_exporter .
apt install "./$new"
cmp exporter.yaml /etc/imstats/exporter.yaml
cmp imstats_exporter /etc/default/imstats_exporter
is "running" active systemctl is-active $unit
[ "$pid" != "$(systemctl show -P MainPID $unit)" ] || fail "the old program runs on"
until_ok figures --user prometheus:test https://localhost:10101/metrics

step "apt remove: configuration and store stay"
apt remove imstats-exporter
is "running" inactive systemctl is-active $unit
[ ! -e /usr/bin/imstats_exporter ] && [ ! -e /etc/systemd/system/multi-user.target.wants/$unit ] || fail "not removed"
cmp exporter.yaml /etc/imstats/exporter.yaml
[ -s $secrets/wecom ] && [ -s /var/lib/private/imstats_exporter/imstats.db ] || fail "something is lost"

step "apt purge: only the store stays"
apt purge imstats-exporter
grep 'The figures of your accounts' apt.log
# apt's and dpkg's own notes, and what this test made, are not the package's.
left=$(find / -xdev \( -path /proc -o -path /sys -o -path /run -o -path /packages -o -path /var/log -o -path /var/cache -o -path /tmp -o -path /var/tmp \) -prune \
  -o -newer before -iname '*imstats*' -print | sort | xargs)
is "left" "/var/lib/imstats_exporter /var/lib/private/imstats_exporter /var/lib/private/imstats_exporter/imstats.db" echo "$left"
echo "all of it passed"
