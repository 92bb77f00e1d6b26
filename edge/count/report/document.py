"""JSON: everything that a report says, with all cells. Its form is edge/schema/session-report.schema.json."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edge.count.report.content import Content, utc
from edge.count.verdicts import Verdict

SCHEMA = "edge-count/report/1"


def write(content: Content, path: Path) -> None:
    """Writes the document, a line a cell."""
    head = json.dumps(_head(content), ensure_ascii=False, indent=1)
    line = json.JSONEncoder(ensure_ascii=False).encode  # json.dumps would make an encoder for each cell
    with path.open("w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(head.removesuffix("\n}") + ',\n "cells": [')
        for number, cell in enumerate(_cells(content)):
            file.write((",\n  " if number else "\n  ") + line(cell))
        file.write("\n ]\n}\n")


def _head(content: Content) -> dict[str, Any]:
    """The document without its cells. Shares and ratios are as in edge.share and edge.count.statistics."""
    summary = content.summary
    return {
        "schema": SCHEMA,
        "session": {"id": summary.id, "name": summary.name, **asdict(summary.settings)},
        "version": content.version,
        "status": content.status,
        "written": utc(summary.written),
        "software": summary.software,
        "began": utc(summary.began) if summary.began else None,
        "ended": utc(summary.ended) if summary.ended else None,
        "runs": [asdict(run) | {"began": utc(run.began)} for run in summary.runs],
        "counts": dict(summary.counts),
        "open": summary.open,
        "repeated": summary.repeated,
        "counted": summary.counted,
        "differential": content.is_differential,
        "shares": {label: share.document() for label, share in summary.shares.items()},
        "ratio": asdict(summary.ratio),
        "nucleated_red": summary.nucleated_red,
        "nucleated_red_factor": summary.nucleated_red_factor,
        "needed": summary.needed,
        "machine": dict(summary.machine),
        "corrected": [
            {"answer": each.answer, "right": each.right.document(), "labels": dict(each.table)}
            for each in summary.corrected
        ],
        "readers": list(summary.readers),
        "agreement": asdict(summary.agreement) if summary.agreement else None,
        "differences": [{"cell": each.cell, "said": dict(each.said)} for each in summary.differences],
        "unlike": list(summary.unlike),
        "signature": asdict(summary.signature) | {"at": utc(summary.signature.at)} if summary.signature else None,
        "notices": list(summary.notices),
    }


def _cells(content: Content) -> Iterator[dict[str, Any]]:
    fields = content.journal.fields()
    for each in content.found.judged:
        cell, field = each.cell, fields[each.cell.field]
        said = {name: by_cell[cell.id] for name, by_cell in content.found.verdicts.items() if cell.id in by_cell}
        yield {
            "id": cell.id,
            "run": cell.run,
            "field": cell.field,
            "source": field.source,
            "frame": field.frame,
            "x": cell.x,
            "y": cell.y,
            "box": cell.box,
            "answer": cell.answer,
            "reason": cell.reason,
            "probabilities": cell.probabilities,
            "verdicts": {name: _verdict(verdict) for name, verdict in said.items()},
            "label": each.label,
            "note": each.note,
            "by": each.by,
            "open": each.open,
        }


def _verdict(verdict: Verdict) -> dict[str, str]:
    return {"kind": verdict.kind, "note": verdict.note}
