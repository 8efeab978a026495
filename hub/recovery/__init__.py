"""Make Redis what the ledger says, when it lost something."""
