"""Commands that a person can paste, with nothing left to fill in where the answer is known."""

from __future__ import annotations

import shlex
from typing import Final

_SERVICE_ACCOUNT: Final = ".gserviceaccount.com"
UNKNOWN_MEMBER: Final = "user:YOU@EXAMPLE.COM"
RESTRICTED_ADDRESSES: Final = "199.36.153.4,199.36.153.5,199.36.153.6,199.36.153.7"
PRIVATE_ADDRESSES: Final = "199.36.153.8,199.36.153.9,199.36.153.10,199.36.153.11"
_PRINT: Final = "gcloud auth print-access-token"
LOG_IN: Final = "gcloud auth application-default login"


def log_in_again(source: str) -> tuple[str, ...]:
    """Return the command that renews a login; none if a command alone cannot.

    Args:
        source: where the login was found, as a caller is described.
    """
    found = source.partition(", impersonating ")[0]
    if name := _after("access token in ", found):
        return (f'export {name}="$({_PRINT})"',)
    if path := _after("access token file ", found):
        return (f"{_PRINT} > {shlex.quote(path)}",)
    if found.startswith("application default credentials"):
        return (LOG_IN,)
    return ("gcloud auth login",) if found == "gcloud" else ()


def _after(words: str, text: str) -> str:
    return text.removeprefix(words) if text.startswith(words) else ""


def member_of(account: str) -> str:
    """Return an account as policies name it; a placeholder if it is not known."""
    if not account:
        return UNKNOWN_MEMBER
    if ":" in account:
        return account
    kind = "serviceAccount" if account.endswith(_SERVICE_ACCOUNT) else "user"
    return f"{kind}:{account}"


def enable_service(project: str, service: str) -> str:
    """Return the command that enables a service."""
    return f"gcloud services enable {service} --project={project}"


def grant_on_project(project: str, member: str, role: str) -> str:
    """Return the command that grants a role on a project."""
    return (
        f"gcloud projects add-iam-policy-binding {project} --member={shlex.quote(member)}"
        f" --role={role} --condition=None"
    )


def grant_on_repository(resource: str, member: str, role: str) -> str:
    """Return the command that grants a role on a repository."""
    _, project, _, location, _, repository = resource.split("/")
    return (
        f"gcloud artifacts repositories add-iam-policy-binding {repository} --location={location}"
        f" --project={project} --member={shlex.quote(member)} --role={role}"
    )


def grant_above(name: str, member: str, role: str) -> str:
    """Return the command that grants a role on a folder or an organisation, as `folders/N`."""
    kind, _, id_ = name.partition("/")
    command = "gcloud resource-manager folders" if kind == "folders" else "gcloud organizations"
    return (
        f"{command} add-iam-policy-binding {id_} --member={shlex.quote(member)}"
        f" --role={role} --condition=None"
    )


def create_repository(resource: str) -> str:
    """Return the command that creates a Docker repository."""
    _, project, _, location, _, repository = resource.split("/")
    return (
        f"gcloud artifacts repositories create {repository} --repository-format=docker"
        f" --location={location} --project={project}"
    )


def rescue(project: str) -> str:
    """Return the command that has Google copy a project's images into Artifact Registry."""
    return f"gcr-migrate rescue {project}"


def plan_redirect(project: str) -> str:
    """Return the command that shows the redirect's next move, and the gates before it."""
    return f"gcr-migrate redirect plan {project}"


def link_billing(project: str) -> str:
    """Return the command that links a billing account."""
    return f"gcloud billing projects link {project} --billing-account=ACCOUNT"


def grant_quota_use(project: str, member: str) -> str:
    """Return the command that lets a member count calls against a project."""
    return grant_on_project(project, member, "roles/serviceusage.serviceUsageConsumer")


def grant_impersonation(account: str) -> str:
    """Return the command that lets somebody act as a service account; who, is to be filled in."""
    return (
        f"gcloud iam service-accounts add-iam-policy-binding {shlex.quote(account)}"
        f" --member={UNKNOWN_MEMBER} --role=roles/iam.serviceAccountTokenCreator"
    )


def private_zone(domain: str, addresses: str) -> tuple[str, ...]:
    """Return the commands that send a domain and all below it to Google's virtual addresses."""
    zone = domain.replace(".", "-")
    create = (
        f"gcloud dns managed-zones create {zone} --dns-name={domain}. --visibility=private"
        f' --networks=NETWORK --description="{domain} by Google\'s virtual addresses"'
    )
    apex = f"gcloud dns record-sets create {domain}. --zone={zone} --type=A --ttl=300"
    below = f'gcloud dns record-sets create "*.{domain}." --zone={zone} --type=CNAME --ttl=300'
    return create, f"{apex} --rrdatas={addresses}", f"{below} --rrdatas={domain}."
