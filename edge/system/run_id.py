"""One identity for each cell of a run at a camera: the run's identifier with the cell's number in the run.

It stands in the cell's row and in the names of its pictures, so that each is found from the other. Answers for picture
files need none: source, frame and cell say which cell it is, and the same files give the same bytes again.
"""

import os
import time


def new_run() -> str:
    """An identifier that no other run has: its start (UTC) with 40 random bits, such as 20261126T094908Z-5f3a1c9b02.

    It sorts by time and may be part of a file's name. A Pi without a network may start at the same second each day, so
    the time alone isn't enough.
    """
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.urandom(5).hex()}"


def cell_id(run: str, number: int) -> str:
    """The identity of a run's cell.

    >>> cell_id("20261126T094908Z-5f3a1c9b02", 12)
    '20261126T094908Z-5f3a1c9b02-000012'
    """
    return f"{run}-{number:06}"
