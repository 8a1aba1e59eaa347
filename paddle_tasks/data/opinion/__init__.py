"""Reviews with annotated spans and pairs: file formats, checks and export."""
