"""Which addresses may be reached: the network yes, this machine and the cloud's metadata no."""

import ipaddress

import pytest

from tasks.address import address_rules
from tasks.errors import WrongUseError

REFUSED = [
    "127.0.0.1", "127.8.9.10", "::1", "169.254.169.254", "fe80::1", "224.0.0.1", "ff02::1", "0.0.0.0", "0.1.2.3", "::",
    "255.255.255.255", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::", "::127.0.0.1", "fd00:ec2::254", "100.100.100.200", "168.63.129.16",
]  # fmt: skip
ALLOWED = [
    "10.0.0.5",
    "172.16.3.4",
    "192.168.1.1",
    "93.184.216.34",
    "fd12:3456::1",
    "2606:2800:220:1::1",
    "64:ff9b::a00:5",
]


def permits(address: str, host: str = "hr.example", allow: str = "", deny: str = "") -> bool:
    return address_rules(allow, deny).permits(host, ipaddress.ip_address(address))


@pytest.mark.parametrize("address", REFUSED)
def test_this_machine_and_metadata_are_refused(address: str) -> None:
    assert not permits(address)


@pytest.mark.parametrize("address", ALLOWED)
def test_private_and_public_networks_are_allowed(address: str) -> None:
    assert permits(address)


def test_a_network_or_a_host_widens() -> None:
    assert permits("127.0.0.1", allow="10.0.0.0/8, 127.0.0.0/8")
    assert permits("127.0.0.1", host="hr.local", allow="HR.local.")
    assert permits("::1", allow="[::1]")


def test_deny_narrows_and_wins() -> None:
    assert not permits("10.0.0.5", deny="10.0.0.0/8")
    assert not permits("::ffff:10.0.0.5", deny="10.0.0.0/8")
    assert not permits("10.0.0.5", deny="hr.example", allow="hr.example,10.0.0.5")


def test_an_allowed_ipv4_network_does_not_allow_its_translations() -> None:
    assert not permits("64:ff9b::7f00:1", allow="127.0.0.0/8")


@pytest.mark.parametrize("entry", ["10.0.0.0/99", "hr.example:443", "a b"])
def test_an_entry_that_is_nothing_is_wrong_use(entry: str) -> None:
    with pytest.raises(WrongUseError, match="ROLLCALL_URL_DENY"):
        address_rules("", entry)
