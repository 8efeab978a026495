"""Which addresses hooks may reach, however they are spelled."""

from ipaddress import ip_address

import pytest

from hub.domain.hook_addresses import host_in, may_reach, mistake_in, networks_of

INNER = [
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
    *("169.254.169.254", "100.64.0.1", "100.100.100.200", "100.127.255.255", "192.0.0.192", "198.18.0.1", "224.0.0.1"),
    *("255.255.255.255", "240.0.0.1", "192.0.2.1", "203.0.113.9", "168.63.129.16"),
    *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "fec0::1", "2001:db8::1"),
    # Ways to say an IPv4 address in IPv6: mapped, compatible, translated, 6to4, Teredo, NAT64.
    *("::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:a00:1", "::127.0.0.1", "::ffff:0:127.0.0.1", "2002:7f00:1::"),
    *("2002:808:808::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "64:ff9b::7f00:1", "64:ff9b::169.254.169.254"),
    *("64:ff9b:1::8.8.8.8",),
]
OPEN = ["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "64:ff9b::8.8.8.8"]
ODD = [
    *("https://127.1/", "https://0x7f.1/", "https://0x7f000001/", "https://2130706433/", "https://017700000001/"),
    *("https://0177.0.0.1/", "https://127.0.0.1./", "https://0/", "https://8.8.2056/"),
]
BAD = [
    *(
        "https://user@oms.example/",
        "https://user:word@oms.example/",
        "https://@oms.example/",
        "https://:w@oms.example/",
    ),
    *("https://oms.example\\@127.0.0.1/", "https://①②⑦.0.0.1/", "https:///hook", "https://oms.example:99999/"),
    *("https://[::1/", "https://oms.example/\x7f", "http://oms.example/hook", "http://8.8.8.8/hook"),
]


@pytest.mark.parametrize("text", INNER)
def test_what_is_inside_is_not_reached(text: str) -> None:
    host = f"[{text}]" if ":" in text else text

    assert not may_reach(ip_address(text), ())
    assert mistake_in(f"https://{host}/hook", ())
    assert mistake_in(f"https://{host}:8443/hook?token=1", ())


@pytest.mark.parametrize("text", OPEN)
def test_the_open_network_is_reached_over_https_alone(text: str) -> None:
    host = f"[{text}]" if ":" in text else text

    assert may_reach(ip_address(text), ())
    assert mistake_in(f"https://{host}/hook", ()) is None
    assert not may_reach(ip_address(text), (), scheme="http")
    assert mistake_in(f"http://{host}/hook", ())


@pytest.mark.parametrize("url", ODD + BAD)
def test_odd_addresses_are_refused_and_not_quoted(url: str) -> None:
    mistake = mistake_in(url, ())

    assert mistake
    assert not any(part in mistake for part in ("word", "7f", "oms"))


def test_an_operator_may_name_networks_of_its_own() -> None:
    allowed = networks_of(("10.1.0.0/16", "127.0.0.1", "fd00:1::/32"))

    assert mistake_in("http://10.1.2.3:8080/hook", allowed) is None
    assert mistake_in("https://[fd00:1::5]/hook", allowed) is None
    assert mistake_in("http://oms.internal/hook", allowed) is None
    assert mistake_in("http://10.2.0.1/hook", allowed)
    assert mistake_in("https://127.0.0.2/hook", allowed)
    assert mistake_in("https://[::ffff:10.1.2.3]/hook", allowed)


@pytest.mark.parametrize("text", ["", "10.1.0.1/16", "10.0.0.0/33", "all", "::/129"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        networks_of((text,))


def test_of_an_address_only_its_host_is_told() -> None:
    assert host_in("https://oms.example/hooks/secret?token=1#x") == "oms.example"
    assert host_in("https://[2606:4700::1]:8443/x") == "[2606:4700::1]:8443"
