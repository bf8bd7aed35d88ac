"""What errors tell to do has to be true for each service that may have given them."""

from __future__ import annotations

from gcr_migrate.errors import UNAUTHORIZED, UNSUPPORTED


def test_who_is_not_let_in_is_told_how_to_log_in_at_either_kind_of_registry() -> None:
    """A plain registry knows logins of Docker's, Google's knows access tokens."""
    assert "docker login HOST" in UNAUTHORIZED.remedy
    assert "access token" in UNAUTHORIZED.remedy


def test_a_method_that_is_not_allowed_is_told_of_all_who_may_refuse_it() -> None:
    """A 405 may come of either side, or of what stands before it."""
    assert all(who in UNSUPPORTED.meaning for who in ("source", "target", "proxy"))


def test_a_method_that_is_not_allowed_is_no_defect_of_the_source_s_dialect_alone() -> None:
    """Proxies can let it through, and another target can take it."""
    assert all(who in UNSUPPORTED.remedy for who in ("Have proxies", "target", "`dialect`"))
