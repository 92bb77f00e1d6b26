"""Addresses of cameras on a network, and how they are shown: never with a password."""

import re

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:/", re.IGNORECASE)
_FORGOTTEN = re.compile(r"[^/]+:.*@")


def is_address(source: str) -> bool:
    """Whether a camera's source is an address such as rtsp://host/stream, and not a file or a device."""
    return _SCHEME.match(source) is not None


def shown(source: str) -> str:
    """A source as messages, results and file names show it: an address without names, passwords and what may be one.

    Passwords stand before an "@", in a query, or in a path such as "user=admin_password=secret". They may hold "/",
    "?", "#" and "@" themselves. Then an address can be read in more than one way, and so more of it is hidden.

    >>> shown("rtsp://admin:a/b@c@host:554/stream?user=admin&pwd=secret")
    'rtsp://host:554/stream?...'
    """
    found = _SCHEME.match(source)
    if not found:  # a user may have forgotten the scheme
        return shown("x://" + source).removeprefix("x://") if _FORGOTTEN.match(source) else source
    scheme, rest = found[0].lower() + "/", source[found.end() :].lstrip("/")
    plain, mark, hidden = re.fullmatch(r"([^?#;]*)([?#;]?)(.*)", rest, re.DOTALL).groups()  # type: ignore[union-attr]
    if "@" in hidden:
        return scheme + "..."
    host, slash, path = plain.rpartition("@")[2].partition("/")
    port = host.rpartition("]")[2].partition(":")[2]
    if "=" in host or (port and not port.isdecimal()):
        return scheme + "..."
    if "=" in path:
        return scheme + host + slash + "..."
    return scheme + host + slash + path + (f"{mark}..." if mark else "")
