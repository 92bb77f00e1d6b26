"""A picture to look at: what the locator saw in a field, so that a person sees why a cell was missed."""

import numpy as np
from PIL import Image, ImageDraw

from edge.classify import Answer
from edge.crop import crop
from edge.locate import Locator
from edge.model import Model
from edge.output.sinks import letters

_GAP = 8
_TEXT = 22


def explain(answer: Answer, locator: Locator, model: Model) -> Image.Image:
    """One row of panels: the field with what was kept (green) and refused (red, with the reason), its absorbance, the
    network's marks; below them the crops as the model got them, with their answers.
    """
    cells, sight = locator.look(answer.frame)
    field = Image.fromarray(sight.small)
    draw = ImageDraw.Draw(field)
    font = letters(11)
    for cell in cells:
        x, y, w, h = (v / sight.scale for v in cell.box)
        draw.rectangle((x, y, x + w, y + h), outline=(0, 200, 0), width=2)
        draw.text((x + 3, y + 1), f"{cell.number}{' cut' if cell.at_border else ''}", (0, 110, 0), font)
    for left, top, why in sight.refused:
        x, y = left / sight.scale, top / sight.scale
        draw.ellipse((x - 5, y - 5, x + 5, y + 5), outline=(220, 0, 0), width=2)
        draw.text((x + 7, y - 6), why, (220, 0, 0), font)
    # Optical density of green light, the brightest level as no density: a nucleus is white here, glass black.
    green = sight.small[..., 1].astype(np.float32) + 1
    density = np.clip(np.log(green.max() / green) * 160, 0, 255).astype(np.uint8)
    marks = Image.fromarray(sight.marks).resize(field.size, Image.Resampling.NEAREST)
    ruler = f"red cells about {sight.red_cell:.0f} pixels"
    panels = [(f"kept and refused, {ruler}", field), ("absorbance", Image.fromarray(density)), ("marks", marks)]
    rows = [panels]
    crops = [
        (f"{cell.number} {decision.label} {decision.probabilities[decision.label]:.2f}",
         Image.fromarray(crop(answer.frame, cell, model.size, model.policy)))
        for cell, decision in answer.cells
    ]  # fmt: skip
    wide = max(1, (3 * (field.width + _GAP)) // (max(model.size, 120) + _GAP))
    rows += [crops[i : i + wide] for i in range(0, len(crops), wide)]
    return _sheet(rows)


def _sheet(rows: list[list[tuple[str, Image.Image]]]) -> Image.Image:
    """Captioned pictures in rows on one white sheet."""
    font = letters(13)
    width = max(sum(max(p.width, 120) + _GAP for _, p in row) for row in rows) + _GAP
    height = sum(max(p.height for _, p in row) + _TEXT + _GAP for row in rows) + _GAP
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    y = _GAP
    for row in rows:
        x = _GAP
        for caption, picture in row:
            draw.text((x, y), caption, "black", font)
            sheet.paste(picture.convert("RGB"), (x, y + _TEXT))
            x += max(picture.width, 120) + _GAP
        y += max(p.height for _, p in row) + _TEXT + _GAP
    return sheet
