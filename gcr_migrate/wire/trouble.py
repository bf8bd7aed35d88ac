"""What goes wrong with a request on its way: an exception for each phase.

They have the names that httpx gives to the same, as users read them in error texts. Theirs are
not taken themselves, as loading that library takes every command a tenth of its start.
"""
# ruff: noqa: N818  # not all of those names end with Error

from __future__ import annotations


class TransportError(Exception):
    """There is no answer, or no whole one; its kinds tell in which phase that showed."""


class ConnectError(TransportError):
    """No connection could be made."""


class ConnectTimeout(TransportError):
    """No connection was made in time."""


class PoolTimeout(TransportError):
    """All connections were in use for too long."""


class ProxyError(TransportError):
    """A proxy does not let through what it was asked to."""


class ReadError(TransportError):
    """The connection broke while an answer was waited for or read."""


class ReadTimeout(TransportError):
    """Nothing came for too long."""


class WriteError(TransportError):
    """The connection broke while a request was sent."""


class WriteTimeout(TransportError):
    """Nothing was taken for too long."""


class LocalProtocolError(TransportError):
    """What was to be sent is no request."""


class RemoteProtocolError(TransportError):
    """What came is no answer, or not all of one."""


class UnsupportedProtocol(TransportError):
    """An address is not that of an HTTP server."""


class InvalidURL(Exception):
    """What should be an address is none."""


class DecodingError(Exception):
    """A body is not packed in the way that its head says."""
