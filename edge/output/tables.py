"""One table, shown as text on a terminal, as Markdown in a file, or as HTML in a page.

>>> print(Table(["model", "recall"], [["int8", "0.971"]]).text())
model  recall
int8    0.971
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A table whose cells are text.

    Attributes:
        heads: the headings, one per column.
        rows: each as long as `heads`.
    """

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]

    def text(self) -> str:
        """Columns two spaces apart; the first is aligned to the left, the others to the right."""
        lines = [list(self.heads), *map(list, self.rows)]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.heads))]

        def aligned(line: list[str]) -> str:
            first, *others = (f"{cell:{'>' if i else '<'}{widths[i]}}" for i, cell in enumerate(line))
            return "  ".join([first, *others]).rstrip()

        return "\n".join(map(aligned, lines))

    def markdown(self) -> str:
        """A pipe table; a pipe inside a cell is escaped."""
        lines = [self.heads, ["---"] * len(self.heads), *self.rows]
        return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)

    def html(self) -> str:
        """A <table>; every cell is escaped."""
        import html  # its table of names takes a few milliseconds, and a run at the shell needs none

        heads = "".join(f"<th>{html.escape(cell)}</th>" for cell in self.heads)
        rows = ("".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in self.rows)
        return f"<table><tr>{heads}</tr>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>"
