# Sourced by deploy/quickstart, tests/run and .ci/run: what this machine lacks, and where results are built.
# shellcheck shell=bash

say() { printf '%s\n' "$*" >&2; }
die() { say "$(basename "$0"): $*"; exit 1; }

# Build results live outside of the clone, and outlive it: RocksDB need not be built again for the next one.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/callboard/target}

has_libclang() { # bindgen loads it while RocksDB is built
  [ -n "${LIBCLANG_PATH:-}" ] || compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' >/dev/null ||
    compgen -G '/usr/lib/*/libclang*.so*' >/dev/null || compgen -G '/usr/lib*/libclang*.so*' >/dev/null
}
has_clang_headers() { compgen -G '/usr/lib/llvm-*/lib/clang/*/include/stddef.h' >/dev/null || compgen -G '/usr/lib*/clang/*/include/stddef.h' >/dev/null; }

# need_packages build|test : installs the Debian packages that are missing for it, with a word about each.
need_packages() {
  local missing=()
  command -v g++ >/dev/null || missing+=(g++)
  { has_libclang && has_clang_headers; } || missing+=(libclang-dev)
  command -v kcat >/dev/null || missing+=(kcat)
  if [ "$1" = test ]; then
    command -v python3 >/dev/null || missing+=(python3)
    python3 -m pip --version >/dev/null 2>&1 || missing+=(python3-pip)
  fi
  [ ${#missing[@]} -eq 0 ] && return
  say "installing Debian packages that are missing here: ${missing[*]}"
  command -v apt-get >/dev/null || die "there is no apt-get here; install what these Debian packages hold: ${missing[*]}"
  local root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "not root and no sudo; install them as root: apt-get install ${missing[*]}"
    root=(sudo)
  fi
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq </dev/null >&2 || die "apt-get update failed"
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null >&2 ||
    die "apt-get install failed"
}

need_rust() {
  command -v cargo >/dev/null && return
  [ -x "$HOME/.cargo/bin/cargo" ] || die "no Rust toolchain: install one first (rustup, stable; the minimal profile is enough)"
  PATH=$HOME/.cargo/bin:$PATH
}

# need_components rustfmt|clippy... : parts of the toolchain that a minimal one lacks.
need_components() {
  local component
  for component in "$@"; do
    cargo "${component/rustfmt/fmt}" --version >/dev/null 2>&1 && continue
    say "installing the toolchain's $component"
    rustup component add "$component" </dev/null >&2 || die "the toolchain has no $component, and rustup cannot add it"
  done
}

# RocksDB is built from source once and kept outside of the build results: whatever the profile, and whatever else is
# built with it, it is taken from there. A file of the version in Cargo.lock, built by this very crate. The number behind
# the version goes up with what is set in .cargo/config.toml for its compiler.
need_rocksdb() {
  local root=$1 version kept built
  version=$(awk '/^name = "librocksdb-sys"$/ { getline; gsub(/version = |"/, ""); print }' "$root/Cargo.lock")
  kept=${XDG_CACHE_HOME:-$HOME/.cache}/callboard/rocksdb/$version-1
  if [ ! -f "$kept/librocksdb.a" ]; then
    say "building RocksDB $version from source: once, 16 to 24 minutes on two cores; cargo shows it as librocksdb-sys"
    cargo build --manifest-path "$root/Cargo.toml" --release --locked -p callboard-storage </dev/null
    built=$(find "$CARGO_TARGET_DIR/release/build" -path '*/librocksdb-sys-*/out/librocksdb.a' -printf '%T@ %p\n' | sort -n | tail -1)
    built=${built#* }
    [ -f "$built" ] || die "RocksDB was built, but its library is not below $CARGO_TARGET_DIR/release/build"
    mkdir -p "$kept"
    cp "$built" "$kept/librocksdb.a.new"
    mv "$kept/librocksdb.a.new" "$kept/librocksdb.a"
  fi
  export ROCKSDB_LIB_DIR=$kept ROCKSDB_STATIC=1
}
