"""News: topics of headlines."""
