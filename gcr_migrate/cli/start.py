"""Where the program starts: at the tab key of a shell it answers before anything is loaded.

Nor is anything loaded, be it `typing`, while a signal would still end it with a traceback.
"""

from __future__ import annotations

import os
import sys

_INTERRUPTED = 130  # as `Exit` has it, which is not loaded yet
_ASKED = "_GCR_MIGRATE_COMPLETE"  # set by the scripts of --install-completion


def run() -> None:
    """Run the program and exit."""
    if _ASKED in os.environ:
        from gcr_migrate.cli.completing import answer

        told = answer(os.environ[_ASKED], os.environ)
        if told is not None:
            sys.stdout.write(f"{told[0]}\n" if told[0] else "")
            sys.exit(told[1])
    import signal

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            # Nothing has begun: until all is loaded, Ctrl-C ends it at once and without a word.
            signal.signal(number, lambda *_: os._exit(_INTERRUPTED))
    from gcr_migrate.cli.litter import look_seldom

    look_seldom()
    from gcr_migrate.cli.main import run as run_command

    run_command()
