"""Stores results on disk, and makes pages, tables for the documentation, and comparisons from them."""
