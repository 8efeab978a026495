"""The administration on the admin door: what only a holder of the scope `admin` may ask."""
