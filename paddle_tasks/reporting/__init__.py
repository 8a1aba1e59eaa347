"""The results table: what was measured on what, beside published scores."""
