"""What the environment says of proxies and certificates: claims about each form it may have."""

from __future__ import annotations

import pytest

from gcr_migrate.errors import MigrateError
from gcr_migrate.wire.network import Network


@pytest.mark.parametrize(
    ("without", "direct"),
    [
        ("", False),
        ("gcr.io", True),
        (".gcr.io", True),
        ("*.gcr.io", True),
        ("US.GCR.IO", True),
        ("us.gcr.io:443", True),
        ("us.gcr.io:8443", False),
        ("cr.io", False),
        ("other.example, gcr.io", True),
        ("other.example gcr.io", True),
        ("*", True),
    ],
)
def test_no_proxy_names_hosts_and_what_is_below_them(without: str, *, direct: bool) -> None:
    """An entry covers a host and its subdomains, with a port only that port."""
    network = Network({"HTTPS_PROXY": "http://p:3128", "NO_PROXY": without})
    assert (network.proxy_for("https", "us.gcr.io", None) is None) is direct


@pytest.mark.parametrize(
    ("without", "host", "direct"),
    [
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3:443", "10.1.2.3", True),
        ("10.1.2.3:80", "10.1.2.3", False),
        ("[fd00::1]", "fd00::1", True),
        ("fd00::/8", "fd12::1", True),
        ("10.0.0.0/8", "ten.example", False),
    ],
)
def test_no_proxy_names_addresses_and_networks(without: str, host: str, *, direct: bool) -> None:
    """Private endpoints are given as addresses, alone or as a network."""
    network = Network({"HTTPS_PROXY": "http://p:3128", "no_proxy": without})
    assert (network.proxy_for("https", host, None) is None) is direct


@pytest.mark.parametrize(
    ("name", "value", "saw"),
    [
        ("SSL_CERT_FILE", "/nowhere/ca.pem", "No such file"),
        ("SSL_CERT_DIR", "/nowhere", "No such file"),
        ("REQUESTS_CA_BUNDLE", __file__, "no certificates in PEM form"),
        ("HTTPS_PROXY", "socks5://word:pass@127.0.0.1:1080", "not the address of an HTTP proxy"),
        ("ALL_PROXY", "http://word:pass@[::1", "not a URL"),
        ("HTTPS_PROXY", "http://word:pass@proxy:port", "not a URL"),
        ("HTTPS_PROXY", "://", "not the address of an HTTP proxy"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(name: str, value: str, saw: str) -> None:
    """The variable and what is wrong with it are told, and no part of a login."""
    with pytest.raises(MigrateError) as raised:
        Network({name: value})
    assert raised.value.problem.code == "bad-network"
    assert name in raised.value.subject
    assert saw in raised.value.saw
    assert "word" not in str(raised.value)


def test_a_proxy_s_login_is_read_and_not_shown() -> None:
    """User and password may have any characters, written as URLs have them."""
    network = Network({"HTTPS_PROXY": "http://robot:p%40ss%3Aword@proxy:3128"})
    proxy = network.proxy_for("https", "us.gcr.io", None)
    assert proxy is not None
    assert proxy.auth == ("robot", "p@ss:word")
    assert proxy.url == "http://proxy:3128"
    assert "word" not in repr(proxy)


@pytest.mark.parametrize(
    ("environ", "scheme", "url"),
    [
        ({"HTTPS_PROXY": "a:1", "https_proxy": "b:2"}, "https", "http://b:2"),
        ({"HTTPS_PROXY": "a:1", "ALL_PROXY": "b:2"}, "https", "http://a:1"),
        ({"HTTPS_PROXY": "a:1", "ALL_PROXY": "b:2"}, "http", "http://b:2"),
        ({"http_proxy": "a:1"}, "http", "http://a:1"),
        ({"HTTPS_PROXY": "https://a"}, "https", "https://a:443"),
        ({"HTTPS_PROXY": "http://[fd00::1]:3128"}, "https", "http://[fd00::1]:3128"),
    ],
)
def test_the_closest_variable_counts(environ: dict[str, str], scheme: str, url: str) -> None:
    """Lower case before upper case, a scheme's own variable before that for all."""
    proxy = Network(environ).proxy_for(scheme, "us.gcr.io", None)
    assert proxy is not None
    assert proxy.url == url


@pytest.mark.parametrize("environ", [{}, {"HTTPS_PROXY": ""}, {"HTTP_PROXY": "a:1"}])
def test_without_a_variable_for_it_there_is_no_proxy(environ: dict[str, str]) -> None:
    """An empty one counts as none, and that of another scheme is another's."""
    assert Network(environ).proxy_for("https", "us.gcr.io", None) is None
