"""The journal: what every change says, how it is read in order, how far the ledger has it."""
