"""The conformance kit: what every adapter promises, as checks that its author runs over recorded deliveries."""
