"""Which machines an address lets in."""

from __future__ import annotations

from ipaddress import ip_address

from core.errors import InvalidInput
from core.settings import Settings


def is_loopback(host: str) -> bool:
    """Tell whether a name or an address can only mean the machine that it is used on.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("[::1]"), is_loopback("localhost")
    (True, True, True)
    >>> is_loopback("0.0.0.0"), is_loopback("192.168.0.7"), is_loopback("")
    (False, False, False)
    """
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def check_address(settings: Settings, host: str) -> None:
    """Make sure that nobody is served who need not say who they are, except on this machine.

    Raises
    ------
    InvalidInput
        Keys are off, and ``host`` can be reached from other machines.

    Examples
    --------
    >>> check_address(Settings(keys=False), "127.0.0.1")
    >>> check_address(Settings(keys=True), "0.0.0.0")
    """
    if not settings.keys and not is_loopback(host):
        raise InvalidInput(
            "without API keys the service would obey everybody who can reach this address",
            field="host",
            given=host,
            accepted="127.0.0.1; or CONVQ_KEYS=on, and then: convq keys create --tenant NAME",
        )
