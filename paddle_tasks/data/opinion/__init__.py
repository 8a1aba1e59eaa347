"""Reviews with annotated spans and pairs: formats, readers and export."""
