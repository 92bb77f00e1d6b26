"""Downloads a data set from Kaggle with kagglehub, and turns each of its many errors into one sentence."""

import re
import sys
from contextlib import redirect_stdout
from pathlib import Path

from edge.errors import UserError, reason

PREFIX = "kaggle:"
_HANDLE = re.compile(r"[\w.-]+/([\w.-]+)(/versions/\d+)?")


def name(source: str) -> str:
    """NAME in kaggle:OWNER/NAME or kaggle:OWNER/NAME/versions/N. Raises UserError for any other source."""
    handle = _HANDLE.fullmatch(source.removeprefix(PREFIX))
    if not handle:
        raise UserError(f"{source} is not the name of a Kaggle data set; write {PREFIX}OWNER/NAME as in its address.")
    return handle[1]


def download(source: str) -> Path:
    """Downloads a data set, unless it is in kagglehub's cache (KAGGLEHUB_CACHE) already.

    Args:
        source: kaggle:OWNER/NAME.

    Returns:
        The data set's folder in that cache.

    Raises:
        UserError: if kagglehub is missing, if there is no such data set, or if the download fails.
    """
    handle = source.removeprefix(PREFIX)
    name(source)
    # kagglehub logs to stdout, which is for the command's own results. Its log handler gets hold of stdout
    # during the import.
    with redirect_stdout(sys.stderr):
        try:
            import kagglehub
        except ImportError as error:
            raise UserError("Downloads from Kaggle need kagglehub; run `pip install kagglehub`.") from error
        try:
            return Path(kagglehub.dataset_download(handle))
        except Exception as error:  # kagglehub's errors have no common base class
            raise UserError(f"Kaggle's {handle} can't be downloaded: {_why(error, handle)}.") from error


def _why(error: Exception, handle: str) -> str:
    """What went wrong and what to do. Some of kagglehub's own messages are a page long, and some are empty."""
    import requests
    from kagglehub.config import get_cache_folder
    from kagglehub.exceptions import DataCorruptionError

    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403, 404):  # Kaggle also answers 403 if there is no such data set
        return (
            f"there is no such data set, or it isn't public ({status}); check the name in its address, and for one "
            "that needs an account set KAGGLE_API_TOKEN"
        )
    if status:
        return f"the server answered {status}; try again later"
    if isinstance(error, requests.RequestException):  # before OSError, which is its base class
        return "the connection failed or broke off; check the network and run the same command again"
    folder = Path(get_cache_folder()) / "datasets" / "/".join(handle.split("/")[:2])
    if isinstance(error, OSError):
        return f"{folder} can't be written ({reason(error)}); free some space, or set KAGGLEHUB_CACHE to another folder"
    if isinstance(error, DataCorruptionError):  # kagglehub has deleted the download
        return "the download is damaged (it has another checksum); run the same command again"
    return f"{reason(error)}; correct that, or delete {folder} and run the same command again"
