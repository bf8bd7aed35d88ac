"""Bodies that came packed, though nobody asked for that."""

from __future__ import annotations

import zlib
from contextlib import suppress
from typing import Final

from gcr_migrate.wire import trouble

_GZIP: Final = frozenset({"gzip", "x-gzip"})
_OF_GZIP: Final = zlib.MAX_WBITS | 16
# Some servers leave out what `deflate` has before the data and behind it.
_WAYS: Final = {"deflate": (zlib.MAX_WBITS, -zlib.MAX_WBITS)} | dict.fromkeys(_GZIP, (_OF_GZIP,))


def unpacked(body: bytes, packed: str, at_most: int) -> bytes:
    """Return a body as it was before it was packed; as it is if that is done in an unknown way.

    Args:
        body: as it came.
        packed: how, as a `content-encoding` names it.
        at_most: how many bytes are wanted: of more there is one byte too many, and no other.
            A few kilobytes may unpack to gigabytes.

    Raises:
        trouble.DecodingError: it is not packed like that.
    """
    for way in reversed(packed.lower().split(",")):
        if len(body) <= at_most and (tries := _WAYS.get(way.strip())):
            body = _inflated(body, tries, at_most + 1)
    return body


def _inflated(body: bytes, tries: tuple[int, ...], at_most: int) -> bytes:
    *others, last = tries
    for bits in others:
        with suppress(zlib.error):
            return zlib.decompressobj(bits).decompress(body, at_most)
    try:
        return zlib.decompressobj(last).decompress(body, at_most)
    except zlib.error as error:
        raise trouble.DecodingError(str(error)) from error
