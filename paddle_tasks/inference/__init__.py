"""Use and export trained models."""
