"""How one side of a migration logs in to Google."""

from __future__ import annotations

from msgspec import Struct


class Login(Struct, frozen=True):
    """What a person said about it; what is left empty is looked for in the environment.

    Only names and paths are kept here, never a secret.

    Attributes:
        access_token_file: file with one access token.
        key_file: file with a service account key, or another credential file of Google's.
        impersonate: service accounts; the last one is acted as, those before it delegate.
        quota_project: project that calls of Google's APIs are counted and billed to.
    """

    access_token_file: str = ""
    key_file: str = ""
    impersonate: tuple[str, ...] = ()
    quota_project: str = ""

    def or_else(self, other: Login) -> Login:
        """Return this login, with what it leaves open taken from another one."""
        own = bool(self.access_token_file or self.key_file)
        return Login(
            access_token_file=self.access_token_file if own else other.access_token_file,
            key_file=self.key_file if own else other.key_file,
            impersonate=self.impersonate or other.impersonate,
            quota_project=self.quota_project or other.quota_project,
        )
