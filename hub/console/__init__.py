"""The admin door's web pages: an index for operators and the demo."""
