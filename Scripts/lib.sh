# Shared by the scripts of this folder: `source "$(dirname "$0")/lib.sh"`.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

# Homebrew keeps its headers and libraries where no compiler looks by itself.
if [ "$(uname -s)" = Darwin ] && command -v brew >/dev/null; then
    brew_prefix=$(brew --prefix)
    openssl_prefix=$(brew --prefix openssl@3)
    export CPATH="$openssl_prefix/include:$brew_prefix/include${CPATH:+:$CPATH}"
    export LIBRARY_PATH="$openssl_prefix/lib:$brew_prefix/lib${LIBRARY_PATH:+:$LIBRARY_PATH}"
fi

# How everything is built that is to be fast. The core is generic over its host's buffers: compilers specialise it for them
# only where they see across modules, and then it takes less than half the time. The plan cached in the folder may be that
# of another package.
release=(-c release -Xswiftc -cross-module-optimization --disable-build-manifest-caching)

# How the core is compiled for browsers. All that it runs in have vectors of 16 bytes (Chrome 91, Firefox 89, Safari 16.4).
embedded=(-target wasm32-unknown-none-wasm -enable-experimental-feature Embedded -Xcc -msimd128 -Xllvm -mattr=+simd128
    -wmo -Osize -parse-as-library -swift-version 6 -warnings-as-errors -package-name peer-tree
    -enable-upcoming-feature ExistentialAny -enable-upcoming-feature MemberImportVisibility
    -enable-upcoming-feature InternalImportsByDefault)

die() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# stage TITLE COMMAND...: a heading, the command, how long it took. The script ends with the first that fails.
stage() {
    local title=$1 begin=$SECONDS status=0
    shift
    printf '\n==> %s\n' "$title"
    # Not `"$@" || …`: that would switch off `set -e` inside a function.
    set +e
    (
        set -e
        "$@"
    )
    status=$?
    set -e
    if [ "$status" -ne 0 ]; then
        printf '==> %s: FAILED after %d s\n' "$title" "$((SECONDS - begin))" >&2
        exit 1
    fi
    printf '    %s: %d s\n' "$title" "$((SECONDS - begin))"
}

# swift_build LOG ARGUMENTS...: builds without progress lines; fails on errors and on warnings in the project's code.
swift_build() {
    local log=$1 status=0
    shift
    mkdir -p "$(dirname "$log")"
    swift build "$@" >"$log" 2>&1 || status=$?
    # Compilers repeat a message per target; each is shown once.
    grep -E '(error|warning): ' "$log" | grep -vE 'prohibited flag|^warning: .*pkg-config' | awk '!seen[$0]++' | head -60 || true
    if [ "$status" -ne 0 ]; then
        tail -n 15 "$log"
        echo "swift build $* failed; all of its output is in $log" >&2
        return 1
    fi
    if grep -E "^$root/(Sources|Tests|Examples|Benchmarks)/[^:]*:[0-9]+:[0-9]+: warning: " "$log" >/dev/null; then
        echo "The warnings above are in the project's own code: mend them." >&2
        return 1
    fi
    tail -n 1 "$log"
}

# The folder of the toolchain's programs (clang, wasm-ld, …), also where `swift` is a version manager's shim.
toolchain_bin() {
    local resources
    resources=$(swiftc -print-target-info | sed -n 's/.*"runtimeResourcePath": *"\(.*\)".*/\1/p')
    cd "$resources/../../bin" && pwd
}
