"""Which addresses a source URL may reach: the network, but not this machine and not the cloud's metadata service.

A name is resolved once, each address is judged, and the connection goes to a judged one: a second answer of the name
server (DNS rebinding) is never asked for.
"""

import ipaddress
import socket
from dataclasses import dataclass
from typing import Final

from tasks.errors import SourceError, WrongUseError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

METADATA: Final = frozenset(map(ipaddress.ip_address, ("fd00:ec2::254", "100.100.100.200", "168.63.129.16")))
"""Metadata services of clouds outside the link-local networks (AWS over IPv6, Alibaba, Azure)."""
REFUSED: Final = tuple(map(ipaddress.ip_network, ("0.0.0.0/8", "240.0.0.0/4")))
NAT64: Final = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "::/96")))


@dataclass(frozen=True)
class AddressRules:
    """What is allowed and denied beyond the default; deny wins."""

    allowed_networks: tuple[Network, ...] = ()
    allowed_hosts: frozenset[str] = frozenset()
    denied_networks: tuple[Network, ...] = ()
    denied_hosts: frozenset[str] = frozenset()

    def permits(self, host: str, address: Address) -> bool:
        """Whether a connection to this address, found for this host, may be made."""
        forms = _forms(address)
        if host in self.denied_hosts or _any_within(forms, self.denied_networks):
            return False
        if host in self.allowed_hosts or _any_within(forms[:1], self.allowed_networks):
            return True
        return not any(map(_is_inside, forms))


def address_rules(allow: str, deny: str) -> AddressRules:
    """The rules of ROLLCALL_URL_ALLOW and ROLLCALL_URL_DENY: comma lists of networks, addresses and hosts.

    Raises: WrongUseError for an entry that is none of them.
    """
    allowed_networks, allowed_hosts = _entries(allow, "ROLLCALL_URL_ALLOW")
    denied_networks, denied_hosts = _entries(deny, "ROLLCALL_URL_DENY")
    return AddressRules(allowed_networks, allowed_hosts, denied_networks, denied_hosts)


def _entries(text: str, setting: str) -> tuple[tuple[Network, ...], frozenset[str]]:
    networks: list[Network] = []
    hosts: set[str] = set()
    for entry in filter(None, (part.strip() for part in text.split(","))):
        try:
            networks.append(ipaddress.ip_network(entry.strip("[]"), strict=False))
        except ValueError:
            if "/" in entry or ":" in entry or " " in entry:
                message = f"{setting} has {entry!r}, which is no network, address or host name: mend it."
                raise WrongUseError("url-rules-invalid", message) from None
            hosts.add(entry.rstrip(".").lower())
    return tuple(networks), frozenset(hosts)


def _any_within(forms: tuple[Address, ...], networks: tuple[Network, ...]) -> bool:
    return any(form in network for form in forms for network in networks if form.version == network.version)


def _forms(address: Address) -> tuple[Address, ...]:
    """The address, plain where it is an IPv4-mapped one, and the IPv4 address that it is translated to on its way."""
    if isinstance(address, ipaddress.IPv4Address):
        return (address,)
    if address.ipv4_mapped:
        return (address.ipv4_mapped,)
    inner = [address.sixtofour, *(address.teredo or ())]
    if any(address in network for network in NAT64):
        inner.append(ipaddress.IPv4Address(address.packed[-4:]))
    return (address, *(form for form in inner if form is not None))


def _is_inside(address: Address) -> bool:
    return (
        address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address in METADATA
        or any(address in network for network in REFUSED if network.version == address.version)
    )


def permitted_addresses(host: str, port: int, rules: AddressRules) -> list[Address]:
    """The addresses of a host that may be reached, resolved now.

    Raises: SourceError where there is none; OSError where the name cannot be resolved.
    """
    name = host.strip("[]").rstrip(".").lower()
    answers = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    found = dict.fromkeys(ipaddress.ip_address(str(answer[4][0]).partition("%")[0]) for answer in answers)
    permitted = [address for address in found if rules.permits(name, address)]
    if not permitted:
        raise SourceError(
            "address-refused",
            f"The source leads to {host} ({', '.join(map(str, found))}), which Rollcall does not reach: this machine, "
            "a link-local or metadata address, or one that ROLLCALL_URL_DENY names. Check the URL and its redirects; "
            "if it is meant, add the address or host to ROLLCALL_URL_ALLOW.",
        )
    return permitted
