"""The live door: WebSockets that show what the journal says, newest value first."""
