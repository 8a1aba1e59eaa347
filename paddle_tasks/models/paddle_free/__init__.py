"""Forward passes of trained models on numpy arrays and oneDNN: prediction without importing Paddle."""
