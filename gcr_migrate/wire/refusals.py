"""What an error body says, in whichever of the three forms services use.

Registries answer in OCI's form, Google's APIs in Google's, and what stands in between, such as
Container Registry's last answer, in plain text. What is known here is known by structure; words
are only looked at where a service says no more than words.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field

from gcr_migrate.errors import (
    AGENT_DENIED,
    API_DISABLED,
    BILLING_OFF,
    PERIMETER,
    QUOTA_PROJECT,
    Problem,
)
from gcr_migrate.wire.secret import without

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_WORDS_AT_MOST: Final = 500
_REASONS: Final = {
    "SECURITY_POLICY_VIOLATED": PERIMETER,
    "SERVICE_DISABLED": API_DISABLED,
    "BILLING_DISABLED": BILLING_OFF,
    "USER_PROJECT_DENIED": QUOTA_PROJECT,
    "CONSUMER_INVALID": QUOTA_PROJECT,
}
_PHRASES: Final = (
    (re.compile("(?i)vpcServiceControlsUniqueIdentifier|VPC Service Controls"), PERIMETER),
    (re.compile(r"(?i)requires \S+ to have storage\.objects\."), AGENT_DENIED),
    (re.compile("(?i)has not been used in project .* or it is disabled"), API_DISABLED),
    (re.compile("(?i)requires billing to be enabled"), BILLING_OFF),
    (re.compile(r"(?i)serviceusage\.(?:serviceUsageConsumer|services\.use)\b"), QUOTA_PROJECT),
)
_UNIQUE_ID: Final = re.compile(r"vpcServiceControlsUniqueIdentifier\W+([\w-]+)", re.IGNORECASE)
_ACCOUNT: Final = re.compile(r"[\w.-]+@[\w.-]*gserviceaccount\.com")
_SECONDS: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)s")


class Refusal(Struct, frozen=True):
    """One error body.

    Attributes:
        structured: whether it was JSON, and not plain text.
        codes: error codes: OCI's, or the one word that Google calls the status.
        message: the service's words.
        reason: `reason` of an ErrorInfo, such as `SERVICE_DISABLED`.
        metadata: what the ErrorInfo says besides: service, consumer, quota.
        retry_s: seconds to wait by a RetryInfo.
        perimeter_id: unique id by which those who run the perimeter find the refusal.
        secrets: what is not to be shown of it, the longest first.
    """

    structured: bool
    codes: tuple[str, ...] = ()
    message: str = ""
    reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    retry_s: float | None = None
    perimeter_id: str = ""
    secrets: tuple[str, ...] = ()

    @classmethod
    def read(cls, body: bytes, content_type: str = "") -> Refusal:
        """Read a body; one in no known form is plain text."""
        value = _object(body)
        if value is None:
            return cls(structured=False, message=_plain(body, content_type))
        error = value.get("error")
        if isinstance(error, dict):
            return _google(error)
        return _oci(value)

    @property
    def words(self) -> str:
        """Codes and message on one line, shortened; what may be secret is taken out."""
        text = " ".join(" ".join([*self.codes[:1], self.message]).split())
        return without(text, self.secrets)[:_WORDS_AT_MOST]

    @property
    def problem(self) -> Problem | None:
        """What of Google's stands in the way, None if it is nothing that is known here."""
        if self.reason in _REASONS:
            return _REASONS[self.reason]
        if self.perimeter_id:
            return PERIMETER
        found = (problem for phrase, problem in _PHRASES if phrase.search(self.message))
        return next(found, None)

    @property
    def advice(self) -> str:
        """What the remedy needs and the words may have lost: names, ids, quotas."""
        return without(self._advice(), self.secrets)

    def _advice(self) -> str:
        problem, about = self.problem, self.metadata
        project = about.get("consumer", "").removeprefix("projects/")
        if problem is PERIMETER:
            return f"unique id {self.perimeter_id}" if self.perimeter_id else ""
        if problem is API_DISABLED and about.get("service"):
            where = f" --project={project}" if project else ""
            return f"gcloud services enable {about['service']}{where}"
        if problem is AGENT_DENIED:
            account = _ACCOUNT.search(self.message)
            return f"account {account[0]}" if account else ""
        if about.get("quota_limit"):
            value = about.get("quota_limit_value", "unknown")
            return f"quota {about['quota_limit']} of {about.get('quota_metric', '')}: {value}"
        return f"project {project}" if project and problem else ""

    @property
    def immutable_tag(self) -> bool:
        """Whether it is, to the writing of a tag, the answer of a repository whose tags stay."""
        said = "FAILED_PRECONDITION" in self.codes or "immutab" in self.message.lower()
        return self.structured and said


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _oci(body: dict[str, Any]) -> Refusal:
    errors = body.get("errors")
    entries = [one for one in errors if isinstance(one, dict)] if isinstance(errors, list) else []
    if not entries:
        return Refusal(structured=True, message=str(body.get("details") or ""))
    message = str(entries[0].get("message") or "")
    found = _UNIQUE_ID.search(" ".join(str(one.get("message")) for one in entries))
    return Refusal(
        structured=True,
        codes=tuple(str(one.get("code") or "") for one in entries),
        message=message,
        perimeter_id=found[1] if found else "",
    )


def _google(error: dict[str, Any]) -> Refusal:
    message = str(error.get("message") or "")
    info = next(_details(error, "ErrorInfo"), {})
    retry = next(_details(error, "RetryInfo"), {})
    about = info.get("metadata")
    metadata = {k: str(v) for k, v in about.items()} if isinstance(about, dict) else {}
    delay = _SECONDS.fullmatch(str(retry.get("retryDelay")))
    reason = str(info.get("reason") or "")
    unique_id = metadata.get("uid", "") if reason == "SECURITY_POLICY_VIOLATED" else ""
    said = _UNIQUE_ID.search(message)
    return Refusal(
        structured=True,
        codes=(str(error.get("status") or ""),),
        message=message,
        reason=reason,
        metadata=metadata,
        retry_s=float(delay[1]) if delay else None,
        perimeter_id=unique_id or _violation(error) or (said[1] if said else ""),
    )


def _violation(error: dict[str, Any]) -> str:
    for failure in _details(error, "PreconditionFailure"):
        violations = failure.get("violations")
        for one in violations if isinstance(violations, list) else []:
            if isinstance(one, dict) and one.get("type") == "VPC_SERVICE_CONTROLS":
                return str(one.get("description") or "")
    return ""


def _details(error: dict[str, Any], kind: str) -> Iterator[dict[str, Any]]:
    details = error.get("details")
    for one in details if isinstance(details, list) else []:
        if isinstance(one, dict) and str(one.get("@type")).endswith(f"google.rpc.{kind}"):
            yield one


def _plain(body: bytes, content_type: str) -> str:
    if "html" in content_type:
        return "(a web page)"
    text = body[: 4 * _WORDS_AT_MOST].decode("utf-8", "replace")
    return "".join(c if c.isprintable() else " " for c in text)
