"""Where requests go: claims about the endpoints file."""

from __future__ import annotations

import pytest

from gcr_migrate.errors import MigrateError
from gcr_migrate.wire.endpoints import Endpoints

FILE = """\
registries:
  us-docker.pkg.dev: http://127.0.0.1:9001
  "*.pkg.dev": http://127.0.0.1:9002/any/
  "*-docker.pkg.dev": http://127.0.0.1:9003
  registry.example: https://mirror.example
artifact_registry: http://127.0.0.1:9100
storage: http://127.0.0.1:9101/
"""
LOADED = Endpoints.load(FILE, "endpoints.yaml")


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://us-docker.pkg.dev/v2/a/b?n=1&x=%2F", "http://127.0.0.1:9001/v2/a/b?n=1&x=%2F"),
        ("https://us-docker.pkg.dev:443/v2/", "http://127.0.0.1:9001/v2/"),
        ("https://US-docker.pkg.dev/v2/", "http://127.0.0.1:9001/v2/"),
        ("https://npm.pkg.dev/v2/", "http://127.0.0.1:9002/any/v2/"),
        ("https://artifactregistry.googleapis.com/v1/p:x", "http://127.0.0.1:9100/v1/p:x"),
        ("https://storage.googleapis.com/b", "http://127.0.0.1:9101/b"),
        ("http://127.0.0.1:4444/v2/", "http://127.0.0.1:4444/v2/"),
        ("https://mirror.example/v2/", "https://mirror.example/v2/"),
    ],
)
def test_a_host_goes_where_the_file_says(url: str, address: str) -> None:
    """Exact hosts and services are mapped, path and query kept; loopback stays as it is."""
    assert LOADED.resolve(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "https://gcr.io/v2/",
        "https://pkg.dev/v2/",
        "https://us-docker.pkg.dev.evil.example/",
        "https://iam.googleapis.com/v1/x",
        "https://127.0.0.1.evil.example/",
    ],
)
def test_with_a_file_no_other_host_is_called(url: str) -> None:
    """What the file does not name is an error, never a call to the real host."""
    with pytest.raises(MigrateError) as raised:
        LOADED.resolve(url)
    assert raised.value.problem.code == "endpoint-unmapped"


def test_of_two_suffixes_the_longer_counts() -> None:
    """The more exact entry wins, in whatever order they stand."""
    text = 'registries: {"*.dev": "http://127.0.0.1:1", "*.pkg.dev": "http://127.0.0.1:2"}'
    assert Endpoints.load(text, "e").resolve("https://a.pkg.dev/x") == "http://127.0.0.1:2/x"


def test_without_a_file_urls_stay_as_they_are() -> None:
    """No file maps nothing and refuses nothing."""
    assert Endpoints().resolve("https://gcr.io/v2/?n=1") == "https://gcr.io/v2/?n=1"


def test_an_empty_file_refuses_every_host() -> None:
    """A file that names nothing still keeps the tool on this machine."""
    with pytest.raises(MigrateError, match="endpoint-unmapped"):
        Endpoints.load("", "e").resolve("https://gcr.io/v2/")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("registries: [", "e.yaml:1"),
        ("registry: {}", "registry"),
        ("registries: {gcr.io: 127.0.0.1}", "registries"),
        ("storage: ftp://x", "storage"),
        ("storage: http://user:secret@x", "storage"),
        ("- a", "e.yaml: (file): a mapping of fields is needed"),
        ("a", "e.yaml: (file): a mapping of fields is needed"),
    ],
)
def test_a_bad_file_is_refused_by_the_key(text: str, named: str) -> None:
    """The error names the line or the key; it repeats no password, and names no class of ours."""
    with pytest.raises(MigrateError) as raised:
        Endpoints.load(text, "e.yaml")
    assert raised.value.problem.code == "bad-endpoints"
    assert named in str(raised.value)
    assert "secret" not in str(raised.value)
    assert "Endpoints" not in str(raised.value)
