"""What the hub notices by itself: sources that have fallen silent."""
