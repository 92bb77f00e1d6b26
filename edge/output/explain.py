"""A picture of what the locator and the network saw, for a person who asks why a cell was missed or misnamed."""

import numpy as np
from PIL import Image, ImageDraw

from edge.classify import Answer
from edge.crop import crop
from edge.decide import Decision
from edge.locate import LocatorTrace
from edge.model import Model
from edge.output.annotate import letters

_GAP = 8  # pixels between panels
_TEXT = 22  # pixels, height of a caption
_NARROWEST = 120  # pixels, least width of a panel, for its caption


def explain(answer: Answer, model: Model) -> Image.Image:
    """A sheet of pictures for one answer, which must have been made with Search(trace=True).

    The first row shows the field with the cells that were kept (green) and the marks that were refused (red, with the
    reason), its absorbance, and the locator's marks. Below is one crop for each answered cell; where the ruler is
    uncertain, the model also got a narrower and a wider one. For a picture that was taken whole (`--whole-image`), the
    sheet shows only its crop.
    """
    found = answer.found
    rows = []
    if found and found.trace:
        rows.append(_panels(answer, found.trace, found.red_cell))
    crops = [
        (_caption(cell.number, decision), Image.fromarray(crop(answer.picture, cell, model.size, model.policy)))
        for cell, decision in answer.cells
    ]
    width = sum(max(panel.width, _NARROWEST) + _GAP for _, panel in rows[0]) if rows else 3 * 328
    fitting = max(1, width // (max(model.size, _NARROWEST) + _GAP))
    rows += [crops[i : i + fitting] for i in range(0, len(crops), fitting)]
    return _sheet(rows or [[("no cell", Image.new("RGB", (1, 1), "white"))]])


def _caption(number: int, decision: Decision) -> str:
    confidence = decision.probabilities.get(decision.label)
    return f"{number} {decision.label}" + (f": {decision.reason}" if confidence is None else f" {confidence:.2f}")


def _panels(answer: Answer, trace: LocatorTrace, red_cell: float) -> list[tuple[str, Image.Image]]:
    field = Image.fromarray(trace.small)
    start_x, start_y, right, bottom = trace.box
    scale = max(right - start_x, bottom - start_y) / max(field.size)
    draw = ImageDraw.Draw(field)
    font = letters(11)
    for cell, _ in answer.cells:
        x, y, w, h = (v / scale for v in (cell.box[0] - start_x, cell.box[1] - start_y, *cell.box[2:]))
        draw.rectangle((x, y, x + w, y + h), outline=(0, 200, 0), width=2)
        draw.text((x + 3, y + 1), f"{cell.number}{' cut' if cell.at_border else ''}", (0, 110, 0), font)
    for left, top, why in trace.refused:
        x, y = (left - start_x) / scale, (top - start_y) / scale
        draw.ellipse((x - 5, y - 5, x + 5, y + 5), outline=(220, 0, 0), width=2)
        draw.text((x + 7, y - 6), why, (220, 0, 0), font)
    # Optical density of green light, relative to the brightest pixel. Nuclei come out white, empty glass black.
    green = trace.small[..., 1].astype(np.float32) + 1
    density = np.clip(np.log(green.max() / green) * 160, 0, 255).astype(np.uint8)
    marks = Image.fromarray(trace.marks).resize(field.size, Image.Resampling.NEAREST)
    heading = f"kept (green), refused (red); red cells: about {red_cell:.0f} pixels"
    return [(heading, field), ("absorbance", Image.fromarray(density)), ("marks", marks)]


def _sheet(rows: list[list[tuple[str, Image.Image]]]) -> Image.Image:
    """Captioned pictures in rows on one white sheet."""
    font = letters(13)
    measure = ImageDraw.Draw(Image.new("RGB", (1, 1)))

    def wide(caption: str, picture: Image.Image) -> int:
        return max(picture.width, _NARROWEST, round(measure.textlength(caption, font)))

    width = max(sum(wide(*each) + _GAP for each in row) for row in rows) + _GAP
    height = sum(max(p.height for _, p in row) + _TEXT + _GAP for row in rows) + _GAP
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    y = _GAP
    for row in rows:
        x = _GAP
        for caption, picture in row:
            draw.text((x, y), caption, "black", font)
            sheet.paste(picture.convert("RGB"), (x, y + _TEXT))
            x += wide(caption, picture) + _GAP
        y += max(p.height for _, p in row) + _TEXT + _GAP
    return sheet
