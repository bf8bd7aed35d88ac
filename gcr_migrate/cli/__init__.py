"""The command line: what a person types, pipes one station's stream into the next."""
