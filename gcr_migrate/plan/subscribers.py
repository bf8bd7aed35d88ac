"""Who is told of each push by Pub/Sub, and how often a plan will make it speak."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gcr_migrate.errors import PUSH_SUBSCRIBER
from gcr_migrate.model.finding import Finding, Severity

if TYPE_CHECKING:
    from gcr_migrate.model.cloud import Subscriber

_SHOWN = 120  # characters of a filter


def subscriber_finding(subscriber: Subscriber, messages: int) -> Finding:
    """Tell of one subscription of a target project's topic `gcr`.

    Args:
        subscriber: the subscription.
        messages: how many the plan makes: one for each manifest and each tag that it writes.
    """
    told = [f"{subscriber.kind}{_where(subscriber)}"]
    if subscriber.filter:
        told.append(f"filter {subscriber.filter[:_SHOWN]}")
    if subscriber.state not in {"", "ACTIVE"}:
        told.append(f"state {subscriber.state}")
    if subscriber.detached:
        told.append("detached")
    told.append(f"about {messages} message{'s' if messages != 1 else ''} from this plan")
    quiet = not messages or subscriber.detached
    severity = Severity.INFO if quiet else Severity.WARNING
    return Finding(PUSH_SUBSCRIBER, severity, subscriber.name, "; ".join(told))


def endpoint_host(url: str) -> str:
    """Return the host of an address, without what may be secret in it."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _where(subscriber: Subscriber) -> str:
    if subscriber.kind == "push":
        return f" to {endpoint_host(subscriber.to) or 'an address that cannot be read'}"
    return f" to {subscriber.to}" if subscriber.to else ""
