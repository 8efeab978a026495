"""Bulk imports: a file of absolute books becomes counts of what differs, beside the sales and never before them."""
