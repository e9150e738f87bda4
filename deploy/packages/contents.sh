#!/usr/bin/env bash
# contents.sh FOLDER: lists what is compiled into the program of a release, as CycloneDX (SBOM), in FOLDER.
# Needs cargo-cyclonedx: cargo install --locked cargo-cyclonedx
set -euo pipefail
mkdir -p "$1"
target=$(realpath "$1")
cd "$(dirname "$0")/../.."
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -1)
# Of musl, as releases are; both processors have the same crates.
cargo cyclonedx --format json --spec-version 1.5 --target x86_64-unknown-linux-musl --no-build-deps --override-filename contents
mv contents.json "$target/imstats_exporter-$version.cdx.json"
