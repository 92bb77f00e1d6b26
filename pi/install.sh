#!/bin/sh
# install.sh [--uninstall] [--prefix DIR]: installs edge-classify into an environment of its own, without internet.
# Root installs to /opt/edge-classify with links in /usr/local/bin; other users to ~/.local/share/edge-classify with
# links in ~/.local/bin.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
say() { echo "$*" >&2; }

if [ "$(id -u)" = 0 ]; then prefix=/opt/edge-classify links=/usr/local/bin
else prefix=${XDG_DATA_HOME:-$HOME/.local/share}/edge-classify links=$HOME/.local/bin; fi
remove=
while [ $# -gt 0 ]; do
  case $1 in
    --uninstall) remove=yes ;;
    --prefix) [ $# -gt 1 ] || { say "--prefix needs a folder."; exit 2; }; shift; prefix=$1 links=$1/links ;;
    *) say "Usage: install.sh [--uninstall] [--prefix DIR]"; exit 2 ;;
  esac
  shift
done

clean() { # removes an earlier or unfinished installation
  for name in edge-classify edge-count edge-site edge-doctor; do
    if [ "$(readlink "$links/$name" 2>/dev/null)" = "$prefix/bin/$name" ]; then rm "$links/$name"; fi
  done
  rm -rf "$prefix"
}

if [ -e "$prefix" ] && [ ! -e "$prefix/edge-classify.installed" ]; then
  say "$prefix holds something other than edge-classify; name another folder with --prefix."; exit 2
fi
if [ "$remove" ]; then
  [ -e "$prefix" ] || { say "Nothing is installed in $prefix."; exit 2; }
  clean
  say "Removed: $prefix and its commands. Your results were not touched."
  exit 0
fi

# Before anything is changed: is the bundle complete, and does it fit this machine?
(cd "$here" && sha256sum --check --quiet --strict SHA256SUMS) ||
  { say "The bundle is damaged or incomplete; copy it again."; exit 2; }
command -v python3 > /dev/null || { say "Python is missing: run sudo apt install python3."; exit 2; }
python=$(python3 -c 'import platform, struct, sys
print("%d.%d %s %d" % (*sys.version_info[:2], platform.machine(), 8 * struct.calcsize("P")))')
case $python in
  "3.11 aarch64 64" | "3.13 aarch64 64") ;;
  *) say "This bundle is for 64-bit Raspberry Pi OS Bookworm (Python 3.11) and Trixie (3.13); this machine has Python $python bits."
     exit 2 ;;
esac

clean
trap 'say "Not installed."; clean' EXIT
trap 'exit 130' INT TERM HUP
mkdir -p "$prefix" "$links"
: > "$prefix/edge-classify.installed"
# The Pi's own camera needs Debian's picamera2. A virtual environment finds it only if it sees all packages of the system.
system=
if python3 -c 'import importlib.util, sys; sys.exit(not importlib.util.find_spec("picamera2"))'; then
  system=--system-site-packages
fi
python3 -m venv --without-pip $system "$prefix"
pip() {
  "$prefix/bin/python" "$(echo "$here"/wheels/pip-*.whl)/pip" install --quiet --disable-pip-version-check \
    --no-cache-dir --no-index --ignore-installed --root-user-action=ignore "$@"
}
pip --find-links "$here/wheels" -r "$here/requirements.txt"
pip --no-deps "$here"/wheels/edge_classify-*.whl
cp -R "$here/docs" "$here/README.md" "$here/LICENSE" "$here/edge-classify.service" "$here/install.sh" "$prefix"
# The shipped model must run on this machine, and give the answers that its file expects.
"$prefix/bin/edge-classify" --verify > /dev/null || { "$prefix/bin/edge-doctor" --seconds 0 >&2 || :; exit 1; }
for name in edge-classify edge-count edge-site edge-doctor; do ln -sf "$prefix/bin/$name" "$links/$name"; done
trap - EXIT
say "Installed: $prefix, $(du -sm "$prefix" | cut -f1) MB; the commands are in $links. Next: edge-doctor"
case :$PATH: in *:"$links":*) ;; *) say "$links is not on your PATH yet: log in again, or type $links/edge-doctor." ;; esac
