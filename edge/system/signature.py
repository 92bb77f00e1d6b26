"""Signatures of the files that decide the answers, by minisign (https://jedisct1.github.io/minisign).

A signature says who released a file; the hash inside a model file only says that the file isn't damaged. Whoever signs
runs `minisign -Sm FILE`, which writes FILE.minisig beside the file.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.errors import UserError, reason

if TYPE_CHECKING:
    from minisign import PublicKey


def require(key: str, files: Iterable[str | Path | None]) -> None:
    """Checks that each file has a signature beside it that this key made.

    Args:
        key: a public key: the file that `minisign -G` wrote, or its second line.
        files: paths of the files; None is left out.

    Raises:
        UserError: if a signature is missing, is another key's or doesn't fit the file. Also if the key or a file can't
            be read, or if the library is missing.
    """
    minisign = library("--require-signed")
    public = _public(key)
    for file in filter(None, files):
        beside = f"{file}.minisig"
        try:
            public.verify_file(file, minisign.Signature.from_file(beside))
        except FileNotFoundError as error:
            missing = str(error.filename)
            what = f"{missing} does not exist" if missing != beside else f"{file} is not signed: {beside} is missing"
            raise UserError(f"{what}; sign it with `minisign -Sm`, or leave out --require-signed.") from error
        except OSError as error:
            raise UserError(f"The signature of {file} can't be checked: {reason(error)}.") from error
        except (minisign.Error, ValueError) as error:
            raise UserError(
                f"{beside} is not a signature of {file} by this key: {error}. Don't use this file before you know why."
            ) from error


def library(asker: str) -> Any:
    """The module minisign. Raises UserError where it isn't installed. asker: who needs it, such as an option."""
    try:
        import minisign
    except ImportError as error:
        raise UserError(f"{asker} needs a library; run `pip install 'edge-classify[signed]'`.") from error
    return minisign


def _public(key: str) -> "PublicKey":
    import minisign

    try:
        if Path(key).is_file():
            return minisign.PublicKey.from_file(key)
        return minisign.PublicKey.from_base64(key)
    except OSError as error:
        raise UserError(f"The key {key} can't be read: {reason(error)}.") from error
    except (minisign.Error, ValueError) as error:
        raise UserError(f"{key} is neither a public key of minisign nor a file that holds one.") from error
