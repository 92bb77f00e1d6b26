"""The locator's network and what it learns from: outlined nuclei of single cells, and marked camera fields."""
