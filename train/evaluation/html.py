"""HTML pages from Jinja2 templates. Every value is escaped, and a page refers to nothing outside its own file.

A template extends base.html, sets `title`, and fills the block `body`. Values are shown with these filters:

- `table` takes an edge.output.tables.Table;
- `svg` takes the text of an SVG file, and `png` a picture, uint8 [height, width, 3]; both give a data: URL for <img>.

macros.html has `drawings`, a row of SVG files with their descriptions.
"""

import base64
import functools
import io
from typing import Any

import numpy as np
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from edge.output.tables import Table


def render(package: str, name: str, **values: Any) -> str:
    """A page.

    Args:
        package: the package whose folder templates/ holds the template, such as "convert".
        name: the template's file name.
        values: what the template shows.

    Raises:
        jinja2.UndefinedError: if the template shows a value that is missing.
    """
    return _environment(package).get_template(name).render(values)


@functools.cache
def _environment(package: str) -> Environment:
    """Templates of the package, and those of train.evaluation, which holds base.html and macros.html."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("train.evaluation")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"table": _table, "svg": _svg, "png": _png}
    return environment


def _table(table: Table) -> Markup:
    return Markup(table.html())


def _svg(drawing: str) -> str:
    return _data("svg+xml", drawing.encode())


def _png(picture: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return _data("png", buffer.getvalue())


def _data(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
