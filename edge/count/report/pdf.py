"""The report as a PDF on A4 paper: the same as the HTML page, on one page for a usual session."""

import io
from html import escape
from pathlib import Path
from typing import Any

from edge.count.report.content import Content
from edge.count.report.page import Page, Pictured, page
from edge.count.words import Words
from edge.errors import UserError

_FONTS = Path(__file__).parent / "fonts"
_MARGIN, _WIDTH, _GAP = 30, 535, 16  # points; A4 is 595 wide
_COLUMN = (_WIDTH - _GAP) / 2
_TALLEST = 640  # points; a longer column is set smaller
_IN_A_ROW = 12


def write(content: Content, path: Path) -> None:
    """Writes the report; characters that the fonts lack become boxes. Raises UserError where ReportLab is missing."""
    try:
        from reportlab.lib.pagesizes import A4
        from reportlab.platypus import SimpleDocTemplate
    except ImportError:
        raise UserError("A report as PDF needs ReportLab: pip install 'edge-classify[count]'.") from None
    about = page(content)
    document = SimpleDocTemplate(
        str(path),
        pagesize=A4,
        leftMargin=_MARGIN - 6,  # the frame adds 6
        rightMargin=_MARGIN - 6,
        topMargin=_MARGIN - 6,
        bottomMargin=_MARGIN + 6,
        title=about.title,
        creator="edge-count",
        lang=content.say.language,
    )

    def foot(canvas: Any, document: Any) -> None:
        canvas.setFont("DejaVu", 6.5)
        canvas.drawString(_MARGIN, 22, about.foot)
        canvas.drawRightString(_MARGIN + _WIDTH, 22, content.say("page {number}", number=document.page))

    document.build(_Setter(content.say).story(about), onFirstPage=foot, onLaterPages=foot)


class _Setter:
    """Sets a Page as ReportLab's flowables."""

    def __init__(self, say: Words) -> None:
        """Loads ReportLab and the fonts. say: the words of the report."""
        from reportlab import platypus
        from reportlab.graphics import shapes
        from reportlab.lib import colors
        from reportlab.lib.styles import ParagraphStyle
        from reportlab.pdfbase import pdfmetrics, ttfonts

        self.say = say
        self.kit, self.shapes, self.colour = platypus, shapes, colors.HexColor
        pdfmetrics.registerFont(ttfonts.TTFont("DejaVu", str(_FONTS / "DejaVuSans.ttf")))
        pdfmetrics.registerFont(ttfonts.TTFont("DejaVu-Bold", str(_FONTS / "DejaVuSans-Bold.ttf")))
        pdfmetrics.registerFontFamily("DejaVu", "DejaVu", "DejaVu-Bold", "DejaVu", "DejaVu-Bold")

        def style(size: float, **more: Any) -> ParagraphStyle:
            return ParagraphStyle("", fontName="DejaVu", fontSize=size, leading=1.22 * size, **more)

        self.title, self.text, self.small, self.caption = style(16), style(8), style(6.8), style(5.6)
        self.right, self.small_right = style(8, alignment=2), style(6.8, alignment=2)
        self.status = style(9, alignment=1)
        self.heading = style(9, spaceBefore=7, spaceAfter=2)

    def story(self, about: Page) -> list[Any]:
        """The whole report, in order."""
        left = [self._heading(self.say("Count, with shares of {cells}", cells=about.whole)), self._counts(about)]
        left += self._lines(about.results)
        right = [self._heading(self.say("Session")), self._facts(about)]
        machine = self._lines(about.machine)
        if machine:
            machine.insert(0, self._heading(self.say("The machine's answers")))
        if about.agreement or about.differences:
            left += machine
            right += [self._heading(self.say("The readers")), *self._lines(about.agreement)]
            right += [self._agreement(about)] if about.table else []
            right += self._lines([about.differences] if about.differences else [])
        else:
            right += machine
        columns = [self.kit.KeepInFrame(_COLUMN, _TALLEST, each, mode="shrink") for each in (left, right)]
        found = [self._head(about), self.kit.Spacer(1, 5), self._notices(about), self.kit.Spacer(1, 5)]
        found.append(self._table([[columns[0], "", columns[1]]], [_COLUMN, _GAP, _COLUMN], [("VALIGN", "TOP")]))
        if about.pictures:
            found += [self._heading(self.say("Cells that were doubtful or corrected")), self._gallery(about)]
        return found + self._lines([about.cut] if about.cut else [])

    def _head(self, about: Page) -> Any:
        status = self._text(f"<b>{escape(about.status)}</b>", self.status)
        title = self._text(f"<b>{escape(about.title)}</b>", self.title)
        line = ("LINEBELOW", (0, 0), (-1, -1), 1.5, self.colour("#111111"))
        box = [("BOX", (0, 0), (-1, -1), 1, self.colour("#111111"), "butt", None if about.signed else (3, 2))]
        label = self._table([[status]], [110], [*box, ("BOTTOMPADDING", 3), ("TOPPADDING", 2)])
        return self._table([[title, label]], [_WIDTH - 118, 118], [line, ("BOTTOMPADDING", 5), ("VALIGN", "MIDDLE")])

    def _notices(self, about: Page) -> Any:
        rows = [[each] for each in self._lines(about.notices)]
        shade = [("BACKGROUND", self.colour("#FFF4EA")), ("LEFTPADDING", 7), ("TOPPADDING", 1), ("BOTTOMPADDING", 1)]
        line = ("LINEBEFORE", (0, 0), (0, -1), 3, self.colour("#A84300"))
        return self._table(rows, [_WIDTH], [*shade, line])

    def _heading(self, text: str) -> Any:
        return self._text(f"<b>{escape(text)}</b>", self.heading)

    def _lines(self, lines: Any) -> list[Any]:
        return [self._text(escape(each), self.text) for each in lines]

    def _text(self, markup: str, style: Any) -> Any:
        return self.kit.Paragraph(markup, style)

    def _counts(self, about: Page) -> Any:
        head = ["", *map(self.say, ("kind", "cells", "share", "95 % interval"))]
        styles = [self.small, self.small, self.small_right, self.small_right, self.small_right]
        rows: list[list[Any]] = [
            [
                self._text(f'<font color="#444444">{each}</font>', style)
                for each, style in zip(head, styles, strict=True)
            ]
        ]
        for row in about.rows:
            name: list[Any] = [self._text(escape(row.label), self.text)]
            if row.bar:
                name.append(self._bar(row.bar, row.colour))
            count = self._text(f'<font size="10"><b>{row.count}</b></font>', self.right)
            share, interval = (self._text(each, self.right) for each in (row.share, row.interval))
            rows.append([self._mark(row.letter, row.colour), name, count, share, interval])
        line = ("LINEABOVE", (0, 1), (-1, -1), 0.4, self.colour("#CCCCCC"))
        padding = [("TOPPADDING", 1.5), ("BOTTOMPADDING", 2.5), ("RIGHTPADDING", 3), ("VALIGN", "MIDDLE")]
        return self._table(rows, [17, 82, 36, 50, _COLUMN - 185], [line, *padding])

    def _bar(self, bar: tuple[float, float, float], colour: str) -> Any:
        """The share, with its interval as a line upon it."""
        low, value, high = bar
        width, drawing = 76, self.shapes.Drawing(76, 6)
        for x, y, end, height, fill, opacity in (
            (0, 0, 1, 4.5, "#EEEEEE", 1),
            (0, 0, value, 4.5, colour, 0.45),
            (low, 1.6, high, 1.3, "#111111", 1),
        ):
            box = (width * x, y, width * (end - x), height)
            drawing.add(self.shapes.Rect(*box, fillColor=self.colour(fill), fillOpacity=opacity, strokeColor=None))
        return drawing

    def _mark(self, letter: str, colour: str) -> Any:
        return self._text(self._badge(letter, colour), self.text)

    def _badge(self, letter: str, colour: str) -> str:
        return f'<font color="#FFFFFF" backColor="{colour}"><b>&nbsp;{escape(letter)}&nbsp;</b></font>'

    def _facts(self, about: Page) -> Any:
        grey = '<font color="#444444">{}</font>'
        rows = [
            [self._text(grey.format(name), self.small), self._text(escape(value), self.small)]
            for name, value in about.facts
        ]
        return self._table(rows, [52, _COLUMN - 52], [("VALIGN", "TOP"), ("BOTTOMPADDING", 1)])

    def _agreement(self, about: Page) -> Any:
        rows = [[self._text(each, self.small) for each in row] for row in about.table]
        grid = ("GRID", (0, 0), (-1, -1), 0.4, self.colour("#999999"))
        table = self._table(rows, [22] * len(rows[0]), [grid, ("LEFTPADDING", 3), ("BOTTOMPADDING", 2)])
        table.hAlign = "LEFT"
        return table

    def _gallery(self, about: Page) -> Any:
        """Rows of pictures, each with a row of captions below, on the same page."""
        side = _WIDTH / _IN_A_ROW
        rows: list[list[Any]] = []
        styles: list[tuple[Any, ...]] = []
        for first in range(0, len(about.pictures), _IN_A_ROW):
            shown = about.pictures[first : first + _IN_A_ROW]
            empty = [""] * (_IN_A_ROW - len(shown))
            at = len(rows)
            rows += [[*(self._picture(each, side - 5) for each in shown), *empty]]
            rows += [[*(self._caption(each) for each in shown), *empty]]
            styles.append(("NOSPLIT", (0, at), (-1, at + 1)))
            styles.append(("BOTTOMPADDING", (0, at + 1), (-1, at + 1), 5))
        return self._table(rows, [side] * _IN_A_ROW, [*styles, ("RIGHTPADDING", 3), ("VALIGN", "TOP")])

    def _picture(self, each: Pictured, side: float) -> Any:
        image = self.kit.Image(io.BytesIO(each.jpeg), side, side, kind="proportional")
        dashes = None if each.letter != "…" else (3, 2)
        box = ("BOX", (0, 0), (-1, -1), 1.2, self.colour(each.colour), "butt", dashes)
        return self._table([[image]], [side + 1], [box])

    def _caption(self, each: Pictured) -> Any:
        head = f"{self._badge(each.letter, each.colour)} <b>#{each.number}</b>"
        return self._text("<br/>".join([head, *map(escape, each.lines)]), self.caption)

    def _table(self, rows: list[list[Any]], widths: list[float], styles: list[tuple[Any, ...]]) -> Any:
        """A table without padding, but for its styles. A style of two values is for all cells."""
        everywhere = [(f"{side}PADDING", 0) for side in ("LEFT", "RIGHT", "TOP", "BOTTOM")] + styles
        full = [(each[0], (0, 0), (-1, -1), each[1]) if len(each) == 2 else each for each in everywhere]
        return self.kit.Table(rows, widths, style=full, hAlign="LEFT")
