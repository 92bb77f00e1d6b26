"""The documentation as a site: `make docs`. Nothing is fetched, neither when it is built nor when it is read."""

from edge import __version__

project = "edge-classify"
author = "the edge-classify maintainers"
copyright = "the edge-classify maintainers, Apache-2.0"
version = release = __version__

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
# Headings get the anchors that they have where the files are read in a repository's browser.
myst_heading_anchors = 4
myst_links_external_new_tab = False

html_theme = "furo"
html_title = "edge-classify"
html_show_sphinx = False
html_copy_source = False
html_permalinks_icon = "#"
