"""The console that commands print to."""

from __future__ import annotations

from rich.console import Console


class PatientConsole(Console):
    """A console whose reader may go away: the command's own exit code stays what it is."""

    def on_broken_pipe(self) -> None:
        """Go on without a reader."""
        self.quiet = True
