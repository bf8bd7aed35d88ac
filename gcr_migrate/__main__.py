"""`python -m gcr_migrate` is the command `gcr-migrate`."""

from __future__ import annotations

from gcr_migrate.cli.start import run

if __name__ == "__main__":
    run()
