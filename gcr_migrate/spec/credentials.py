"""Who logs in for a side of the spec, by names and paths only."""

from __future__ import annotations

from typing import Annotated, Final, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from gcr_migrate.errors import MigrateError
from gcr_migrate.model.login import Login
from gcr_migrate.model.names import check_service_account
from gcr_migrate.spec.fields import Part
from gcr_migrate.spec.places import NO_SECRETS, PayerText, looks_secret

_LONGEST_FILE_NAME: Final = 255


def _file(text: str) -> str:
    if looks_secret(text) or len(text.rpartition("/")[2]) > _LONGEST_FILE_NAME:
        raise ValueError(NO_SECRETS)
    if not text or not text.isprintable():
        raise ValueError("not the path of a file")
    if text.startswith("~"):
        raise ValueError("`~` is not replaced here; write the whole path")
    return text


def _account(text: str) -> str:
    if looks_secret(text):
        raise ValueError(NO_SECRETS)
    try:
        check_service_account(text)
    except MigrateError as error:
        raise ValueError(error.saw) from error
    return text


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _mapping(value: object) -> object:
    if not isinstance(value, str):
        return value
    raise ValueError(f"a mapping of fields is needed; {NO_SECRETS}")


FileText = Annotated[str, AfterValidator(_file)]
AccountText = Annotated[str, AfterValidator(_account)]
Accounts = Annotated[
    tuple[AccountText, ...],
    BeforeValidator(_listed, json_schema_input_type=AccountText | tuple[AccountText, ...]),
]


class Credentials(Part):
    """How one side logs in to Google. Names and paths only: no secret is written in a spec."""

    access_token_file: FileText | None = Field(
        None, description="File with one access token, seen from where a command is run."
    )
    key_file: FileText | None = Field(
        None, description="File with a service account key, or another of Google's credentials."
    )
    impersonate: Accounts = Field(
        (),
        description="Service account to act as; of several the last one, by way of the others.",
    )
    quota_project: PayerText | None = Field(
        None, description="Project that calls of Google's APIs are counted and billed to."
    )

    @model_validator(mode="after")
    def _one_file(self) -> Self:
        if self.access_token_file and self.key_file:
            raise ValueError("access_token_file and key_file: one of them at most")
        if len(set(self.impersonate)) < len(self.impersonate):
            raise ValueError("impersonate names an account twice")
        return self

    @property
    def login(self) -> Login:
        """The same, as the rest of the tool takes it."""
        return Login(
            access_token_file=self.access_token_file or "",
            key_file=self.key_file or "",
            impersonate=self.impersonate,
            quota_project=self.quota_project or "",
        )


CredentialsField = Annotated[
    Credentials, BeforeValidator(_mapping, json_schema_input_type=Credentials)
]
