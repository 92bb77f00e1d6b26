"""The locator's network and what teaches it: nuclei outlined in pictures of single cells, and marked camera fields."""
