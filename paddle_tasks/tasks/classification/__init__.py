"""What the tasks that give one label to one text share; no task itself."""
