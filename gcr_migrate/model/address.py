"""How a host of the Internet is reached from this machine."""

from __future__ import annotations

import ipaddress
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gcr_migrate.errors import UNTRUSTED

if TYPE_CHECKING:
    from gcr_migrate.errors import MigrateError

NO_ADDRESS: Final = "no address: "
"""How words begin that a name could not be looked up."""


class Reach(StrEnum):
    """What stands between this machine and a host."""

    DIRECT = "direct"  # its addresses are looked up here
    PROXY = "proxy"  # a proxy looks them up
    MAPPED = "mapped"  # the endpoints file gives another address


class Range(StrEnum):
    """Where an address leads, as far as its number tells."""

    RESTRICTED = "restricted"  # only services that VPC Service Controls supports
    PRIVATE = "private"  # Google's services without public addresses
    PUBLIC = "public"


_RESTRICTED: Final = ipaddress.ip_network("199.36.153.4/30")
_PRIVATE: Final = ipaddress.ip_network("199.36.153.8/30")


class Way(Struct, frozen=True):
    """The way to a host.

    Attributes:
        host: the real host.
        reach: what stands between.
        addresses: what its name resolves to here; empty if that is not asked here.
        via: the proxy or the other address, where there is one; never with a password.
    """

    host: str
    reach: Reach
    addresses: tuple[str, ...] = ()
    via: str = ""

    @property
    def range(self) -> Range:
        """Where its addresses lead; public unless all of them are virtual ones of Google's."""
        ranges = {range_of(address) for address in self.addresses}
        return ranges.pop() if len(ranges) == 1 else Range.PUBLIC


def range_of(address: str) -> Range:
    """Tell Google's two ranges of virtual addresses from all others."""
    try:
        number = ipaddress.ip_address(address)
    except ValueError:
        return Range.PUBLIC
    if number in _RESTRICTED:
        return Range.RESTRICTED
    return Range.PRIVATE if number in _PRIVATE else Range.PUBLIC


def in_the_way(error: MigrateError) -> str:
    """Tell why nobody answered, beginning with what is in the way: certificate, DNS or network."""
    if error.problem is UNTRUSTED:
        return f"certificate: {error.saw}"
    return f"{'DNS' if NO_ADDRESS in error.saw else 'network'}: {error.saw}"
