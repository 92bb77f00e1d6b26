"""The table of machines whose speed people have measured with `edge-doctor --speed` and sent in."""

import json
from pathlib import Path
from typing import Any

from benchmarks.report import result
from edge.doctor.speed import FORMAT
from edge.errors import UserError
from edge.output.tables import Table

HEADS = (
    "board",
    "fields a second, one process",
    "all cores",
    "cells a second, --whole-image",
    "one field from cold",
    "peak memory",
    "version",
)


def table(folder: Path) -> str:
    """The table in Markdown, or a sentence if no file has come in yet.

    Raises:
        UserError: for a file that edge-doctor didn't write.
    """
    rows = [_row(file) for file in sorted(folder.glob("*.json"))]
    return Table(list(HEADS), rows).markdown() if rows else "No file has come in yet."


def _row(file: Path) -> list[str]:
    try:
        found: dict[str, Any] = json.loads(result.text(file))
        if found["format"] != FORMAT:
            raise UserError(f"{file} has format {found['format']}; this version knows {FORMAT}.")
        fields, every, whole = (found[name] for name in ("fields", "fields_all_cores", "whole_image"))
        return [
            f"{found['board']}, {found['cores']} cores, {found['system']}",
            f"{fields['per_second']:.1f}",
            f"{every['per_second']:.1f}",
            f"{whole['per_second']:.0f}",
            f"{found['cold']:.2f} s",
            f"{fields['megabytes']:.0f} MB",
            found["version"],
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{file} is no file of edge-doctor --speed.") from error
