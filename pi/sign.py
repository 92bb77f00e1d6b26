"""`python -m pi.sign SECRETKEY FILE NAME` writes NAME.minisig: FILE's signature, for `pi/bundle --sign`."""

import os
import sys
from pathlib import Path

from edge.errors import UserError, exits_on_user_error, reason
from edge.system.signature import library


@exits_on_user_error
def sign(secret: Path, file: Path, name: str) -> None:
    """Signs a file.

    Args:
        secret: a secret key of minisign. MINISIGN_PASSWORD is its password, if it has one.
        file: what is signed.
        name: what the file will be called.

    Raises:
        UserError: if the library is missing, or if the key can't be used.
    """
    minisign = library("--sign")
    try:
        key = minisign.SecretKey.from_file(secret)
        if password := os.environ.get("MINISIGN_PASSWORD"):
            key.decrypt(password)
        signature = key.sign_file(file, prehash=True, trusted_comment=f"file:{Path(name).name}")
        Path(f"{name}.minisig").write_bytes(bytes(signature))
    except OSError as error:
        raise UserError(f"{error.filename or secret} can't be used: {reason(error)}.") from error
    except (minisign.Error, ValueError) as error:
        raise UserError(
            f"{secret} can't sign: {error}. If the key has a password, set MINISIGN_PASSWORD to it."
        ) from error


if __name__ == "__main__":
    sign(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
