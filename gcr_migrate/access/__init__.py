"""Who can pull, push and delete: read from policies, carried to targets, and compared.

Pure: from what was read of both sides and what the spec wishes to grants and rows.
"""

from gcr_migrate.access.held import Hold, Holdings, Standing, holdings
from gcr_migrate.access.roles import DECISIVE, known, rights_in
from gcr_migrate.access.settle import Settled, SourceAccess, settle
from gcr_migrate.access.through import pullers_through

__all__ = [
    "DECISIVE",
    "Hold",
    "Holdings",
    "Settled",
    "SourceAccess",
    "Standing",
    "holdings",
    "known",
    "pullers_through",
    "rights_in",
    "settle",
]
