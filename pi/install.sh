#!/bin/sh
# install.sh [--uninstall] [--prefix DIR]: installs edge-classify into an environment of its own, without internet, from
# the folder of this file. Root installs to /opt/edge-classify with links in /usr/local/bin; other users to
# ~/.local/share/edge-classify with links in ~/.local/bin. edge-update does it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
command -v python3 > /dev/null || { echo "Python is missing: run sudo apt install python3." >&2; exit 2; }
exec python3 -I "$here/edge-update" --install "$here" "$@"
