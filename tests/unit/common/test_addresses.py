"""Addresses of cameras: one reading of each, and nothing allowed that nobody named."""

from __future__ import annotations

import re
import string
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import PurePosixPath
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from beffroi_common.addresses import (
    SCHEMES,
    Address,
    AddressError,
    AddressNotAllowedError,
    AllowedAddresses,
    FileAddress,
    RtspAddress,
    read_address,
)

READ: list[tuple[str, Address]] = [
    (
        "rtsp://10.0.0.1/live?channel=1&subtype=0",
        RtspAddress(IPv4Address("10.0.0.1"), 554, "/live?channel=1&subtype=0"),
    ),
    ("rtsp://Gate-1.example:8554", RtspAddress("gate-1.example", 8554, "")),
    ("rtsp://gate/a%20b//c@d:e", RtspAddress("gate", 554, "/a%20b//c@d:e")),
    ("rtsp://[fd00::7]:1/", RtspAddress(IPv6Address("fd00::7"), 1, "/")),
    ("rtsp://[::ffff:10.0.0.1]/", RtspAddress(IPv4Address("10.0.0.1"), 554, "/")),
    ("file:///clips/le%20march%C3%A9.mp4", FileAddress(PurePosixPath("/clips/le marché.mp4"))),
    ("file:///clips/./a.mp4", FileAddress(PurePosixPath("/clips/a.mp4"))),
]


@pytest.mark.parametrize(("url", "address"), READ)
def test_what_an_address_says(url: str, address: Address) -> None:
    assert read_address(url) == address


REFUSED = [
    "",
    "rtsp",
    "RTSP://gate/1",
    "http://gate/1",
    "rtsps://gate/1",
    " rtsp://gate/1",
    "rtsp://gate/1 ",
    "rtsp://gate/1\n",
    "rtsp://gate/1\r\nDESCRIBE rtsp://store/",
    "rtsp://gate/1\tx",
    "rtsp://gate/1\x00",
    "rtsp://gate/1%0d%0aX",
    "rtsp://gate/1%00",
    "rtsp://gate/1%7F",
    "rtsp://gate/1%zz",
    "rtsp://gate/1%",
    "rtsp://gate/é",
    "rtsp://gаte/1",
    "rtsp://gate/\u202egnp.1",
    "rtsp:gate/1",
    "rtsp:/gate/1",
    "rtsp:///1",
    "rtsp://",
    "rtsp://:554/1",
    "rtsp://user@gate/1",
    "rtsp://user:hunter2@gate/1",
    "rtsp://gate:554@store/1",
    "rtsp://gate\\@store/1",
    "rtsp://gate?@store/1",
    "rtsp://gate#@store/1",
    "rtsp://gate/1#part",
    "rtsp://gate?1",
    "rtsp://gate:/1",
    "rtsp://gate:0/1",
    "rtsp://gate:65536/1",
    "rtsp://gate:1e3/1",
    "rtsp://gate:+554/1",
    "rtsp://gate:٥٥٤/1",
    "rtsp://gate:554:554/1",
    "rtsp://gate%2e/1",
    "rtsp://gate./1",
    "rtsp://.gate/1",
    "rtsp://ga..te/1",
    "rtsp://-gate/1",
    "rtsp://gate-/1",
    "rtsp://ga*te/1",
    "rtsp://" + "a" * 64 + "/1",
    "rtsp://" + "a.b" * 100 + "/1",
    "rtsp://2130706433/1",
    "rtsp://0x7f000001/1",
    "rtsp://0x7f.0.0.1/1",
    "rtsp://gate.0x1/1",
    "rtsp://127.1/1",
    "rtsp://0177.0.0.1/1",
    "rtsp://127.0.0.1./1",
    "rtsp://256.0.0.1/1",
    "rtsp://[fe80::1%25eth0]/1",
    "rtsp://[::1/1",
    "rtsp://::1/1",
    "rtsp://[127.0.0.1]/1",
    "rtsp://[]/1",
    "rtsp://gate/" + "x" * 500,
    "file:clip.mp4",
    "file:/clips/a.mp4",
    "file://clips/a.mp4",
    "file://localhost/clips/a.mp4",
    "file:////etc/passwd",
    "file:///clips/../a.mp4",
    "file:///clips/%2e%2e/a.mp4",
    "file:///clips/a.mp4?x",
    "file:///clips/a.mp4#x",
    "file:///clips/%ff.mp4",
    "file:///clips/%E2%80%AE4pm.mp4",
    "file:///clips/a%0a.mp4",
    "pattern:160x96@5\r\n",
]


@pytest.mark.parametrize("url", REFUSED)
def test_what_two_readers_could_read_in_two_ways_is_no_address(url: str) -> None:
    with pytest.raises(AddressError) as refused:
        read_address(url)
    assert "hunter2" not in str(refused.value)


@given(st.text(st.sampled_from(string.ascii_letters[:8] + string.digits + ":/?#[]@%.-\\\r\n \x00é"), max_size=40))
def test_every_text_is_read_as_other_readers_read_it_or_refused(rest: str) -> None:
    url = f"rtsp://{rest}"
    try:
        address = read_address(url)
    except AddressError:
        return
    assert isinstance(address, RtspAddress)
    again = address.url(address.host)
    assert read_address(again) == address
    assert re.fullmatch(r"[!-~]+", again)
    parts = urlsplit(url)
    assert (parts.username, parts.password) == (None, None)
    assert (parts.port or 554) == address.port
    if isinstance(address.host, str):
        assert parts.hostname == address.host


def test_an_address_is_written_anew_for_the_host_that_is_connected_to() -> None:
    address = read_address("rtsp://gate.example/live?x=1")
    assert isinstance(address, RtspAddress)
    assert address.url(ip_address("10.0.0.7"), "a%3Ab:c") == "rtsp://a%3Ab:c@10.0.0.7:554/live?x=1"
    assert address.url(ip_address("fd00::7")) == "rtsp://[fd00::7]:554/live?x=1"


def allowed(**said: object) -> AllowedAddresses:
    return AllowedAddresses.model_validate(said)


def is_allowed(url: str, rules: AllowedAddresses) -> bool:
    try:
        rules.check(read_address(url))
    except AddressNotAllowedError:
        return False
    return True


@pytest.mark.parametrize("scheme", SCHEMES)
def test_unless_somebody_named_it_nothing_is_allowed_that_is_reached(scheme: str) -> None:
    url = {"rtsp": "rtsp://10.0.0.1/1", "file": "file:///clips/a.mp4", "pattern": "pattern:160x96@5"}[scheme]
    assert is_allowed(url, AllowedAddresses()) == (scheme == "pattern")


STREET = allowed(networks="10.20.0.0/16, fd00:20::/64", ports="554", folders="/clips,/srv/more")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("rtsp://10.20.255.1/1", True),
        ("rtsp://10.21.0.1/1", False),
        ("rtsp://[fd00:20::1]/1", True),
        ("rtsp://[fd00:21::1]/1", False),
        ("rtsp://[::ffff:10.20.0.1]/1", True),
        ("rtsp://[::ffff:10.21.0.1]/1", False),
        ("rtsp://10.20.0.1:8554/1", False),
        ("rtsp://camera.example/1", True),  # where it leads is for who resolves it
        ("rtsp://camera.example:8554/1", False),
        ("file:///clips/a/b.mp4", True),
        ("file:///clips", False),
        ("file:///clipsandmore/a.mp4", False),
        ("file:///srv/a.mp4", False),
    ],
)
def test_what_is_allowed_is_what_was_named(url: str, expected: bool) -> None:
    assert is_allowed(url, STREET) == expected


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.8.8.8",
        "169.254.169.254",
        "0.0.0.0",
        "0.1.2.3",
        "224.0.0.1",
        "255.255.255.255",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[::ffff:0:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::1]",
        "[2001:0:7f00:1::1]",
        "[fe80::1]",
        "[ff02::1]",
    ],
)
def test_a_wide_network_does_not_mean_the_machine_itself(host: str) -> None:
    assert not is_allowed(f"rtsp://{host}/1", allowed(networks="0.0.0.0/0,::/0"))


def test_the_machine_itself_can_be_named() -> None:
    assert is_allowed("rtsp://127.0.0.1/1", allowed(networks="127.0.0.0/8"))
    assert is_allowed("rtsp://[::ffff:127.0.0.1]/1", allowed(networks="127.0.0.0/8"))
    assert is_allowed("rtsp://[::1]/1", allowed(networks="::1/128"))
    assert not is_allowed("rtsp://0.0.0.0/1", allowed(networks="0.0.0.0/8"))


def test_of_the_addresses_of_a_name_the_allowed_ones_are_left() -> None:
    found = [ip_address(each) for each in ("127.0.0.1", "10.20.0.9", "10.20.0.3", "10.21.0.1")]
    assert STREET.reachable(found) == [IPv4Address("10.20.0.9"), IPv4Address("10.20.0.3")]
    told = set()
    for nothing in (found[:1], []):
        with pytest.raises(AddressNotAllowedError) as refused:
            STREET.reachable(nothing)
        told.add(str(refused.value))
    assert len(told) == 1, "whether a name exists is not told"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("networks", "10.20.0.1/16"),
        ("networks", "street"),
        ("networks", ["10.0.0.0/8", ""]),
        ("ports", "0"),
        ("ports", "65536"),
        ("ports", "rtsp"),
        ("folders", "clips"),
        ("folders", "/clips/.."),
    ],
)
def test_a_setting_that_means_nothing_is_refused(field: str, value: object) -> None:
    with pytest.raises(ValidationError):
        allowed(**{field: value})
