"""The spec: what a person writes about a migration, and errors that lead back to its lines.

The model is the documentation of the format too: `spec_json_schema` is made from it.
"""

from gcr_migrate.spec.load import load_spec, spec_json_schema
from gcr_migrate.spec.model import Spec
from gcr_migrate.spec.rules import Route
from gcr_migrate.spec.select import Select
from gcr_migrate.spec.sides import (
    ProjectSource,
    ProjectTarget,
    RegistrySource,
    RegistryTarget,
    RepositorySource,
    source_at,
)

__all__ = [
    "ProjectSource",
    "ProjectTarget",
    "RegistrySource",
    "RegistryTarget",
    "RepositorySource",
    "Route",
    "Select",
    "Spec",
    "load_spec",
    "source_at",
    "spec_json_schema",
]
