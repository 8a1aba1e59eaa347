"""What a command does, callable from Python; nothing here prints."""
