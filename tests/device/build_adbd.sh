#!/usr/bin/env bash
# Builds Android's own adbd (the device side of adb) from Debian's source package.
#
#   tests/device/build_adbd.sh [FOLDER]
#
# FOLDER is where the result is kept: $TFCOMPRESS_ADBD_FOLDER, or tfcompress/adbd in
# the user's cache.  A finished build is kept; the last line printed is its path.
# Needs: clang dpkg-dev android-libbase-dev android-libcutils-dev android-liblog-dev
#        android-libboringssl-dev
#
# The binary listens on all interfaces and lets everybody in: run it only where there
# is no network, as in `unshare -n`.
set -euo pipefail

folder=${1:-${TFCOMPRESS_ADBD_FOLDER:-${XDG_CACHE_HOME:-$HOME/.cache}/tfcompress/adbd}}
target=$folder/adbd
if [ -x "$target" ]; then
  echo "$target"
  exit 0
fi

for tool in clang clang++ dpkg-source apt-get; do
  command -v "$tool" >/dev/null || { echo "build_adbd: $tool is missing" >&2; exit 1; }
done
libraries=/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)/android
if ! [ -d /usr/include/android/openssl ] || ! [ -e "$libraries/libcutils.so" ]; then
  echo "build_adbd: install android-lib{base,cutils,log,boringssl}-dev" >&2
  exit 1
fi

mkdir -p "$folder"
work=$(mktemp -d "$folder/build.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

# The system's own list of packages may name no sources: read them with a list, and
# into folders, of our own.
mkdir -p lists/partial parts
for list in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list; do
  [ -s "$list" ] || continue
  case $list in
    *.sources) sed 's/^Types:.*/Types: deb-src/' "$list" >parts/source.sources ;;
    *) sed -n 's/^deb /deb-src /p' "$list" >parts/source.list ;;
  esac
  break
done
cat >apt.conf <<EOF
Dir::State::lists "$work/lists";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$work/parts";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
APT::Sandbox::User "root";
EOF
export APT_CONFIG=$work/apt.conf
apt-get update -qq >&2
apt-get source --download-only -qq android-platform-tools >&2
dpkg-source --no-check -x ./*.dsc src >&2
cd src

# Android.bp: libadbd_core, libadbd_services and adbd, with what they link statically.
adb=system/core/adb
core="adb adb_io adb_listeners adb_trace adb_unique_fd adb_utils fdevent/fdevent
  fdevent/fdevent_poll fdevent/fdevent_epoll services sockets socket_spec sysdeps/errno
  sysdeps_unix sysdeps/posix/network transport transport_fd transport_local
  transport_usb types shell_service_protocol adbconnection/adbconnection_server"
daemon="auth jdwp_service usb_dummy file_sync_service services shell_service main"
sources=""
for name in $core; do sources+=" $adb/$name.cpp"; done
for name in $daemon; do sources+=" $adb/daemon/$name.cpp"; done
sources+=" system/core/diagnose_usb/diagnose_usb.cpp"
sources+=" frameworks/native/libs/adbd_auth/adbd_auth.cpp"
sources+=" system/core/libcrypto_utils/android_pubkey.c"

mkdir -p stub/sys out
: >stub/sys/capability.h # included by main.cpp, used on Android only
flags="-O1 -g0 -fPIC -w -D_GNU_SOURCE -DADB_HOST=0 -DALLOW_ADBD_ROOT=0
  -DALLOW_ADBD_NO_AUTH=1 -UNDEBUG -DADB_VERSION=\"debian\" -DPLATFORM_TOOLS_VERSION=\"29.0.6\"
  -fno-exceptions -fno-strict-aliasing -Istub -I/usr/include/android -I$adb
  -I$adb/daemon/include -I$adb/adbconnection/include -Isystem/core/base/include
  -Isystem/core/include -Isystem/core/diagnose_usb/include
  -Isystem/core/libcrypto_utils/include -Isystem/core/libcutils/include
  -Iframeworks/native/libs/adbd_auth/include -Isystem/core/libasyncio/include"
objects=""
for source in $sources; do
  object=out/$(echo "$source" | tr / _).o
  case $source in
    # shellcheck disable=SC2086 # flags are words
    *.c) clang -c $flags "$source" -o "$object" ;;
    # shellcheck disable=SC2086
    *) clang++ -std=gnu++2a -include optional -include atomic -c $flags "$source" -o "$object" ;;
  esac
  objects+=" $object"
done
# shellcheck disable=SC2086
clang++ $objects -o adbd "-L$libraries" "-Wl,-rpath=$libraries" \
  -lbase -lcrypto -lcutils -llog -lpthread -lresolv -lutil
mv adbd "$target"
echo "$target"
