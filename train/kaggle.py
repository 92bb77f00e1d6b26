"""A data set on Kaggle -> a folder on this machine, through kagglehub; and its many errors as one sentence each."""

import re
import sys
from contextlib import redirect_stdout
from pathlib import Path

from edge.errors import UserError, reason

PREFIX = "kaggle:"
_HANDLE = re.compile(r"[\w.-]+/([\w.-]+)(/versions/\d+)?")


def name(source: str) -> str:
    """NAME of kaggle:OWNER/NAME or kaggle:OWNER/NAME/versions/N. Raises UserError for anything else."""
    handle = _HANDLE.fullmatch(source.removeprefix(PREFIX))
    if not handle:
        raise UserError(f"{source} names no Kaggle data set; write {PREFIX}OWNER/NAME as in its address.")
    return handle[1]


def download(source: str) -> Path:
    """The folder of kaggle:OWNER/NAME in kagglehub's cache (KAGGLEHUB_CACHE), downloaded where it isn't there yet.

    Raises UserError where kagglehub is missing, there is no such data set, and whatever may happen to a download.
    """
    handle = source.removeprefix(PREFIX)
    name(source)
    # kagglehub logs to stdout, which belongs to the command's own results; its handler takes stdout when imported.
    with redirect_stdout(sys.stderr):
        try:
            import kagglehub
        except ImportError as error:
            raise UserError("Downloads from Kaggle need kagglehub; run `pip install kagglehub`.") from error
        try:
            return Path(kagglehub.dataset_download(handle))
        except Exception as error:  # kagglehub's errors have no common kind
            raise UserError(f"Kaggle's {handle} can't be downloaded: {_why(error, handle)}.") from error


def _why(error: Exception, handle: str) -> str:
    """What went wrong and what to do. kagglehub's own messages are pages for some errors, and nothing for others."""
    import requests
    from kagglehub.config import get_cache_folder
    from kagglehub.exceptions import DataCorruptionError

    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403, 404):  # Kaggle answers 403 where there is nothing, too
        return (
            f"there is no such data set, or it isn't public ({status}); check the name in its address, and for one "
            "that needs an account set KAGGLE_API_TOKEN"
        )
    if status:
        return f"the server answered {status}; try again later"
    if isinstance(error, requests.RequestException):  # before OSError, of which it is one
        return "the connection failed or broke off; check the network and run the same command again"
    folder = Path(get_cache_folder()) / "datasets" / "/".join(handle.split("/")[:2])
    if isinstance(error, OSError):
        return f"{folder} can't be written ({reason(error)}); make room, or set KAGGLEHUB_CACHE to another folder"
    if isinstance(error, DataCorruptionError):  # kagglehub has deleted it
        return "what came isn't what was sent (another checksum); run the same command again"
    return f"{reason(error)}; correct that, or delete {folder} and run the same command again"
