from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.guarded_http.public_address import UrlRefused, origin_of, raise_unless_askable, url_problem, why_not_public


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.255.255.254", "0.0.0.1", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
        *("169.254.169.254", "168.63.129.16", "100.64.0.1", "100.100.100.200", "192.0.0.192", "198.18.0.1"),
        *("224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.51.100.1", "203.0.113.1"),
        *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "fec0::1", "100::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe"),
        *("64:ff9b:1::1", "2002:7f00:1::1", "2002:808:808::1", "2001::1", "2001:db8::1", "3fff::1", "5f00::1"),
        *("", "localhost", "127.1", "2130706433", "0x7f000001", "1.2.3.4.5"),
    ],
)
def test_nothing_but_public_addresses_may_be_asked(address: str) -> None:
    assert why_not_public(address) is not None


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::1", "64:ff9b::808:808"]
)
def test_public_addresses_may_be_asked(address: str) -> None:
    assert why_not_public(address) is None


def test_a_private_network_may_be_asked_where_the_settings_allow_it() -> None:
    allowed = (ip_network("10.20.0.0/24"), ip_network("fd00::/8"))
    assert why_not_public("10.20.0.7", allowed) is None
    assert why_not_public("::ffff:10.20.0.7", allowed) is None
    assert why_not_public("fd00::7", allowed) is None
    assert why_not_public("10.20.1.7", allowed) is not None
    assert why_not_public("127.0.0.1", allowed) is not None


@given(st.integers(min_value=0, max_value=2**32 - 1))
def test_every_form_of_an_ipv4_address_is_judged_like_the_address_itself(number: int) -> None:
    plain = str(IPv4Address(number))
    mapped = str(IPv6Address((0xFFFF << 32) | number))
    nat64 = str(IPv6Address((0x64FF9B << 96) | number))
    assert bool(why_not_public(mapped)) == bool(why_not_public(nat64)) == bool(why_not_public(plain))


@given(st.integers(min_value=0, max_value=2**128 - 1))
def test_what_python_knows_to_be_private_is_never_public(number: int) -> None:
    address = IPv6Address(number)
    if address.is_private or address.is_link_local or address.is_multicast or address.is_reserved:
        assert why_not_public(str(address)) is not None


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://crm.example.com/", "neither http"),
        ("file:///etc/passwd", "neither http"),
        ("gopher://crm.example.com/", "neither http"),
        ("crm.example.com/leads", "neither http"),
        ("http://", "names no host"),
        ("https:///leads", "names no host"),
        ("https://ada:secret@crm.example.com/", "a user or a password"),
        ("https://crm.example.com@127.0.0.1/", "a user or a password"),
        ("https://@crm.example.com/", "a user or a password"),
        ("https://crm.example.com:0/", "port"),
        ("https://crm.example.com:99999/", "is not a URL"),
        ("https://crm.example.com/a b", "a blank or a control character"),
        ("https://crm.example.com/\r\nHost: x", "a blank or a control character"),
        ("https://[::1/", "is not a URL"),
        ("https://crm.example.com\\@127.0.0.1/", "is not a URL"),
        ("https://" + "a" * 3000, "longer than"),
        ("http://2130706433/", "not written as usual"),
        ("http://127.1/", "not written as usual"),
        ("http://0177.0.0.1/", "not written as usual"),
        ("http://[fe80::1%25eth0]/", "not written as usual"),
    ],
)
def test_a_url_is_refused_by_its_looks(url: str, why: str) -> None:
    assert why in str(url_problem(url))


@pytest.mark.parametrize(
    "url",
    [
        "https://crm.example.com/leads?status=open",
        "http://8.8.8.8:8080/",
        "https://[2606:4700::1]/x",
        "https://bücher.example/",
    ],
)
def test_a_usual_url_has_no_problem(url: str) -> None:
    assert url_problem(url) is None
    raise_unless_askable(url, ())


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/", "http://[::1]/", "http://169.254.169.254/latest", "http://[::ffff:a9fe:a9fe]/"]
)
def test_a_private_address_in_digits_is_refused_without_a_look_up(url: str) -> None:
    with pytest.raises(UrlRefused, match="allowed_networks"):
        raise_unless_askable(url, ())


@given(st.text(max_size=60))
def test_whatever_is_written_is_a_url_or_a_problem(text: str) -> None:
    for url in (text, f"https://{text}/", f"https://crm.example.com/{text}"):
        problem = url_problem(url)
        assert problem is None or problem


def test_an_origin_is_scheme_host_and_port() -> None:
    assert origin_of("https://CRM.example.com/a") == origin_of("https://crm.example.com:443/b")
    assert origin_of("https://crm.example.com/") != origin_of("http://crm.example.com/")
    assert origin_of("https://crm.example.com/") != origin_of("https://crm.example.com:8443/")
