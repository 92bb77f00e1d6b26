"""One table in three forms."""

from edge.output.tables import Table

TABLE = Table(["model", "recall"], [["int8", "0.971"], ["a|b <c>", "-"]])


def test_text_is_aligned() -> None:
    assert TABLE.text().splitlines() == ["model    recall", "int8      0.971", "a|b <c>       -"]


def test_markdown_escapes_pipes() -> None:
    assert TABLE.markdown().splitlines()[1:] == ["| --- | --- |", "| int8 | 0.971 |", "| a\\|b <c> | - |"]


def test_html_escapes_everything() -> None:
    html = TABLE.html()
    assert "<td>a|b &lt;c&gt;</td><td>-</td>" in html and html.count("<tr>") == 3


def test_a_table_without_rows() -> None:
    assert Table(["a", "b"], []).text() == "a  b"
