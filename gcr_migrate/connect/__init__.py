"""Puts clients together: endpoints, credentials, connections, one client for each host."""

from gcr_migrate.connect.clients import Connections, Side, outside
from gcr_migrate.connect.settings import Settings

__all__ = ["Connections", "Settings", "Side", "outside"]
