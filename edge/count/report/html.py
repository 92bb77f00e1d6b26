"""A page for a browser and a printer: one file that asks for no other."""

import base64
from pathlib import Path

from edge.count.report.content import Content
from edge.count.report.page import page
from edge.errors import UserError


def write(content: Content, path: Path) -> None:
    """Writes the page. Raises UserError where Jinja2 is missing."""
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError:
        raise UserError("A report as HTML needs Jinja2: pip install 'edge-classify[count]'.") from None
    environment = Environment(
        loader=PackageLoader("edge.count.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["jpeg"] = lambda jpeg: f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
    text = environment.get_template("report.html").render(page=page(content), say=content.say)
    path.write_text(text, encoding="utf-8", errors="backslashreplace")
