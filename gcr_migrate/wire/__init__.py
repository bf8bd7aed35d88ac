"""How bytes get to a service and back: addresses, connections, retries. Nothing of registries."""

import sys

# With httpx comes its own command line, if all that it needs is installed: half of rich, and more.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # so it is as if not installed
