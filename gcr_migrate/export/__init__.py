"""A plan's repositories and grants as code that other programs apply."""
