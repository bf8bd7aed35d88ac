"""Which gcr.io hosts are in use, of which kind each is, and what it needs."""
