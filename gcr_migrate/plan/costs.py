"""What a plan costs, charge by charge; one that nobody knows is unknown, and so is its sum."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gcr_migrate.model.names import location_of_host
from gcr_migrate.model.prices import GIB, INTERNET, is_free

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gcr_migrate.model.amounts import Stored, Stream
    from gcr_migrate.model.prices import Prices

_LEAST: Final = 0.0001
_BESIDE: Final = (
    "beside the old repositories while they are there; mounted layers are taken to be billed, too;"
    " 0.5 GiB of a billing account are free"
)
_INSIDE: Final = "where `apply` runs in Google Cloud, at the source or the target"
_OUTSIDE: Final = "instead, where `apply` runs outside Google Cloud"


class Kind(StrEnum):
    """What is charged."""

    STORAGE = "storage"  # for a month
    SCANS = "scans"
    TRANSFER = "transfer"


class Charge(Struct, frozen=True):
    """One thing that is billed.

    Attributes:
        kind: what it is.
        subject: a registry, or two places with an arrow between them.
        amount: how much is billed: bytes, or images that are scanned; None: not known.
        usd: dollars, for storage those of a month; None: not known.
        why: what it stands on, or why it is not known.
        instead: it takes the place of another one in another case, and is in no sum.
    """

    kind: Kind
    subject: str
    amount: int | None
    usd: float | None
    why: str
    instead: bool = False


def charges(
    stored: Iterable[Stored], streams: Iterable[Stream], scanned: int | None, prices: Prices
) -> list[Charge]:
    """Return everything that a plan is charged for.

    Args:
        stored: what each target registry keeps more than before.
        streams: what is sent between registries.
        scanned: images that are scanned as they come; None: nobody could be asked.
        prices: what Google asks.
    """
    found = [_storage(one, prices) for one in stored]
    found.append(_scans(scanned, prices))
    sent = [charge for one in _by_place(streams) for charge in _transfers(one, prices)]
    return [*found, *(sent or [Charge(Kind.TRANSFER, "no blob", 0, 0.0, "nothing is sent")])]


def total(found: Iterable[Charge], *, monthly: bool) -> float | None:
    """Return what is paid once, or each month; None if a part of it is not known."""
    counted = [
        one.usd for one in found if (one.kind is Kind.STORAGE) is monthly and not one.instead
    ]
    known = [usd for usd in counted if usd is not None]
    return _rounded(sum(known)) if len(known) == len(counted) else None


def _storage(one: Stored, prices: Prices) -> Charge:
    if not one.is_googles:
        return Charge(Kind.STORAGE, one.registry, one.size_bytes, None, _no_price(one.registry))
    usd, why = _priced(one.size_bytes, one.unsized, prices.repository, _BESIDE)
    return Charge(Kind.STORAGE, one.registry, one.size_bytes, usd, why)


def _scans(scanned: int | None, prices: Prices) -> Charge:
    subject = "vulnerability scans"
    if scanned is None:
        why = "whether scanning is enabled was not told when the plan was made"
        return Charge(Kind.SCANS, subject, None, None, why)
    why = f"${prices.scanned:.2f} for each image digest" if scanned else "nothing is scanned"
    return Charge(Kind.SCANS, subject, scanned, _rounded(scanned * prices.scanned), why)


def _by_place(streams: Iterable[Stream]) -> Iterator[tuple[str, str, int, int, bool]]:
    """Add up streams by places: source, target, bytes, unsized blobs, whether Google serves it."""
    sums: dict[tuple[str, str, bool], list[int]] = {}
    for one in streams:
        source, target = location_of_host(one.source), location_of_host(one.target)
        key = (source or one.source, target or one.target, bool(source))
        size = sums.setdefault(key, [0, 0])
        size[0] += one.size_bytes
        size[1] += one.unsized
    for (source, target, is_googles), (size_bytes, unsized) in sums.items():
        yield source, target, size_bytes, unsized, is_googles


def _transfers(one: tuple[str, str, int, int, bool], prices: Prices) -> Iterator[Charge]:
    source, target, size_bytes, unsized, is_googles = one
    for to, why in ((target, _INSIDE), (INTERNET, _OUTSIDE)):
        instead = to == INTERNET
        if instead and not is_googles:
            continue  # whoever runs a registry of his own pays his own line
        told = f"free between these; {why}" if is_free(source, to) else why
        usd, why_so = _priced(size_bytes, unsized, prices.sent(source, to), told)
        yield Charge(Kind.TRANSFER, f"{source} -> {to}", size_bytes, usd, why_so, instead=instead)


def _priced(
    size_bytes: int, unsized: int, price: float | None, why: str
) -> tuple[float | None, str]:
    if price is None:
        return None, f"no price is known here; {why}"
    if unsized and price:
        return None, f"of {unsized} blobs no size is known; {why}"
    return _rounded(size_bytes * price / GIB), why


def _rounded(usd: float) -> float:
    """Return dollars to a hundredth of a cent; what is less of it is not nothing."""
    return max(round(usd, 4), _LEAST) if usd else 0.0


def _no_price(host: str) -> str:
    return f"what {host} asks for it is not known here"
