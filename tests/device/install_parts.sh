#!/usr/bin/env bash
# Installs on Debian what the device suites need, then gets into FOLDER the aarch64
# wheel and the Kotlin compiler, and builds Android's adbd.
#
#   tests/device/install_parts.sh PYTHON FOLDER
#
# PYTHON has ai-edge-litert installed. Only installing
# packages needs root: run `make test-device` as root, or with a sudo that asks you. What
# is there already is left alone, so a second run needs neither root nor a network.
set -euo pipefail

python=$1 folder=$2
packages=(
  adb                                                     # the real client
  gcc gcc-aarch64-linux-gnu libc6-dev-arm64-cross         # the runner, twice
  qemu-user-static                                        # arm64 kernels
  chromium-common                                         # SwiftShader: software Vulkan
  clang dpkg-dev android-libbase-dev android-libcutils-dev  # Android's adbd
  android-liblog-dev android-libboringssl-dev
  mksh util-linux                                         # Android's shell; unshare
  default-jdk-headless junit4                             # the app's own code
)

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' ||
    missing+=("$package")
done
# Node's own package has npm too, and forbids Debian's.
command -v npm >/dev/null || missing+=(npm)
if ((${#missing[@]})); then
  as_root=()
  if ((EUID != 0)); then
    command -v sudo >/dev/null || {
      echo "These packages need root to be installed: ${missing[*]}." >&2
      echo "Received: user $(id -un), and no sudo. Run \`make test-device\` as root." >&2
      exit 1
    }
    echo "Installing ${missing[*]} needs root: sudo may ask for your password." >&2
    as_root=(sudo)
  fi
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" apt-get install -y --no-install-recommends "${missing[@]}"
fi

version=$("$python" -c \
  'import importlib.metadata as m; print(m.version("ai-edge-litert"))')
mkdir -p "$folder"
if ! ls "$folder/ai_edge_litert-$version-"*aarch64.whl >/dev/null 2>&1; then
  "$python" -m pip download --quiet --no-deps --only-binary :all: \
    --platform manylinux_2_27_aarch64 --dest "$folder" "ai-edge-litert==$version"
fi

kotlin=$folder/node_modules/kotlin-compiler
[ -e "$kotlin" ] || npm install --silent --prefix "$folder" kotlin-compiler@2.3.20

TFCOMPRESS_ADBD_FOLDER=${TFCOMPRESS_ADBD_FOLDER:-$folder/adbd} \
  "$(dirname "$0")/build_adbd.sh"
