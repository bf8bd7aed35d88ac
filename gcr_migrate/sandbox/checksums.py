"""Checksums of objects, as Cloud Storage tells them."""

from __future__ import annotations

import base64
import hashlib
from typing import Final

_POLYNOMIAL: Final = 0x82F63B78  # of CRC-32C, its bits reversed


def crc32c(data: bytes) -> int:
    """Return the CRC-32C (Castagnoli) of some bytes."""
    value = 0xFFFFFFFF
    for byte in data:
        value = _TABLE[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ 0xFFFFFFFF


def _table() -> tuple[int, ...]:
    found = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)
        found.append(value)
    return tuple(found)


_TABLE: Final = _table()


def checksums(data: bytes) -> tuple[str, str]:
    """Return CRC-32C and MD5, both in base64."""
    checksum = base64.b64encode(crc32c(data).to_bytes(4, "big")).decode()
    md5 = hashlib.md5(data, usedforsecurity=False).digest()
    return checksum, base64.b64encode(md5).decode()
