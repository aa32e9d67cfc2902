"""What the rules ask of the package: input functions and lists of targets. No job imports this."""
