"""What third parties deliver, from the inbox to the books: understood by adapters, fetched where they only point."""
