"""The HTTP door: events in, answers and reads out."""
