"""Measurements behind `paddle-tasks bench`: timers, the models that are compared, and the form of the reports."""
