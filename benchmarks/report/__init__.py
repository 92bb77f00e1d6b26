"""Results on disk, and what is made of them: a page, the tables of the documentation, a comparison of two results."""
