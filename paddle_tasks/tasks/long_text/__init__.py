"""Long texts: labels for texts longer than an encoder reads."""
