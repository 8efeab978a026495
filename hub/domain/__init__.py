"""What decides, pure: no await, no clock, no I/O."""
