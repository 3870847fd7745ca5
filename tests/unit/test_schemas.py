"""What a request may hold, field by field."""

import json
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config import Config
from agent.errors import InvalidRequest
from agent.http.contract import names
from agent.http.contract.hosts import (
    boot_request,
    host_request,
    host_schema,
    install_request,
    install_schema,
    media_request,
)
from agent.http.contract.networks import network_request
from agent.http.contract.snapshots import see_name
from agent.http.contract.validator import Validator
from agent.hypervisor.facts import NewHostFacts
from agent.plans import hosts as host_plans
from agent.plans import networks as network_plans
from agent.plans.cards import Card, derived_macs
from agent.plans.hosts import HostRequest
from agent.plans.installs import InstallRequest
from agent.plans.networks import NetworkRequest
from agent.tools.parsers.libvirt_xml import Network, Vlan

from .golden import UUID
from .test_commands import sub_options

CONFIG = Config()
DEEP = json.loads("[" * 300 + "]" * 300)
HOST = {"memory": 512, "disks": [8], "networks": ["vlan:10"]}
INSTALL = {**HOST, "install": True, "location": "http://mirror.example.com/debian"}
NETWORK = {"bridge": "br0", "vlan": 10}
FIELDS = (
    "memory, disks, networks, install, location, cmdline, console, after_install, vcpus,"
    " autostart, boot, start"
)


def refused(read: Any, name: str, body: Any) -> dict[str, str]:
    """The fields that are refused, and why; none of a request that is taken."""
    try:
        read(name, body)
    except InvalidRequest as error:
        return {each.field: each.detail for each in error.errors}
    return {}


def test_a_host_with_all_fields() -> None:
    body = {
        "memory": 8192,
        "disks": [8, 100],
        "networks": ["vlan:10", {"network": "a 'b' \"c\" ż", "mac": "02:00:00:00:00:0A"}],
        "install": True,
        "location": "https://mirror.example.com:8443/debian",
        "cmdline": 'auto=true foo="a, b"',
        "console": True,
        "vcpus": 4,
        "autostart": True,
        "boot": ["cdrom", "network", "disk"],
        "after_install": "off",
    }
    assert host_request("ns.example.com", body) == HostRequest(
        name="ns.example.com",
        memory=8192,
        disks=(8, 100),
        networks=(Card("vlan:10"), Card("a 'b' \"c\" ż", "02:00:00:00:00:0a")),
        install=InstallRequest(
            location="https://mirror.example.com:8443/debian",
            cmdline='auto=true foo="a, b"',
            console=True,
            after_install="off",
        ),
        vcpus=4,
        autostart=True,
        boot=("cdrom", "network", "disk"),
    )


def test_a_host_with_the_required_fields() -> None:
    assert host_request("ns", HOST) == HostRequest("ns", 512, (8,), (Card("vlan:10"),))


def test_a_whole_number_with_a_point_is_an_integer() -> None:
    request = host_request("ns", {"memory": 512.0, "disks": [8.0], "networks": [], "vcpus": 2.0})
    assert repr(request) == repr(HostRequest("ns", 512, (8,), (), vcpus=2))
    assert repr(network_request("a", {"bridge": "br0", "vlan": 10.0})) == repr(
        NetworkRequest("a", "br0", 10)
    )


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        (None, {"body": "None is not of type 'object'"}),
        ([], {"body": "[] is not of type 'object'"}),
        ("x", {"body": "'x' is not of type 'object'"}),
        ({}, dict.fromkeys(("memory", "disks", "networks"), "is required")),
        (
            {**HOST, "size": 1, "Memory": 2},
            dict.fromkeys(("Memory", "size"), f"there is no such field; the fields are {FIELDS}"),
        ),
        ({**HOST, "memory": "512"}, {"memory": "'512' is not of type 'integer'"}),
        ({**HOST, "memory": 512.5}, {"memory": "512.5 is not of type 'integer'"}),
        ({**HOST, "memory": True}, {"memory": "True is not of type 'integer'"}),
        ({**HOST, "memory": None}, {"memory": "None is not of type 'integer'"}),
        ({**HOST, "memory": 0}, {"memory": "0 is less than the minimum of 1"}),
        (
            {**HOST, "memory": 1 << 43},
            {"memory": "8796093022208 is greater than the maximum of 8796093022207"},
        ),
        ({**HOST, "disks": 8}, {"disks": "8 is not of type 'array'"}),
        (
            {**HOST, "disks": [8, 0, "1"]},
            {
                "disks[1]": "0 is less than the minimum of 1",
                "disks[2]": "'1' is not of type 'integer'",
            },
        ),
        (
            {**HOST, "disks": [2097153]},
            {"disks[0]": "2097153 is greater than the maximum of 2097152"},
        ),
        ({**HOST, "disks": [1] * 65}, {"disks": "65 are more than the maximum of 64"}),
        ({**HOST, "networks": "vlan:10"}, {"networks": "'vlan:10' is not of type 'array'"}),
        ({**HOST, "networks": [1]}, {"networks[0]": "1 is not of type 'string', 'object'"}),
        ({**HOST, "networks": ["a"] * 25}, {"networks": "25 are more than the maximum of 24"}),
        ({**HOST, "install": 1}, {"install": "1 is not of type 'boolean'"}),
        ({**HOST, "autostart": "yes"}, {"autostart": "'yes' is not of type 'boolean'"}),
        ({**HOST, "vcpus": 0}, {"vcpus": "0 is less than the minimum of 1"}),
        ({**HOST, "vcpus": 256}, {"vcpus": "256 is greater than the maximum of 255"}),
        (
            {**HOST, "location": "http://a/", "cmdline": "", "console": False},
            dict.fromkeys(("location", "cmdline", "console"), 'requires "install": true'),
        ),
        (
            {**HOST, "install": False, "location": "http://a/"},
            {"location": 'requires "install": true'},
        ),
        ({**HOST, "location": "mirror"}, {"location": "it is not an http, https or ftp URL"}),
        (
            {**HOST, "install": True, "cmdline": "a", "console": True},
            dict.fromkeys(
                ("cmdline", "console"),
                "requires a location: a network boot has its own kernel parameters",
            ),
        ),
        (
            {**HOST, "install": True, "networks": []},
            {"networks": "an install without a location requires a network to boot from"},
        ),
        (
            {"disks": [0], "vcpus": "2", "extra": 1, "console": True},
            {
                "memory": "is required",
                "networks": "is required",
                "extra": f"there is no such field; the fields are {FIELDS}",
                "disks[0]": "0 is less than the minimum of 1",
                "vcpus": "'2' is not of type 'integer'",
                "console": 'requires "install": true',
            },
        ),
    ],
)
def test_a_host_that_is_refused(body: Any, errors: dict[str, str]) -> None:
    assert refused(host_request, "ns.example.com", body) == errors


def host_with(*networks: Any) -> dict[str, Any]:
    return {**HOST, "networks": list(networks)}


NOT_ENCODED = "it has characters that a URL must have percent-encoded"
NOT_A_URL_OF_THEM = "it is not an http, https or ftp URL"
NO_HOST = "it is a URL without a usable host"
NO_MAC = "it is not a unicast MAC such as 02:00:00:00:00:01, or begins with fe"
CARD_FIELDS = "there is no such field; the fields are network, mac"


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        (host_with({}), {"networks[0].network": "is required"}),
        (host_with("a", {"mac": "02:00:00:00:00:01"}), {"networks[1].network": "is required"}),
        (host_with({"network": 1}), {"networks[0].network": "1 is not of type 'string'"}),
        (host_with({"network": "a", "vlan": 1}), {"networks[0].vlan": CARD_FIELDS}),
        *(
            (host_with({"network": "a", "mac": mac}), {"networks[0].mac": NO_MAC})
            for mac in (
                *("", "02:00:00:00:00", "02:00:00:00:00:01:02", "02-00-00-00-00-01", "x"),
                *("020000000001", "02:00:00:00:00:0g", "02:00:00:00:00:01\n", "2:0:0:0:0:1"),
                # A group's, nobody's, and libvirt's own.
                *("01:00:00:00:00:01", "33:33:00:00:00:01", "ff:ff:ff:ff:ff:ff"),
                *("00:00:00:00:00:00", "fe:00:00:00:00:01", "FE:00:00:00:00:01"),
            )
        ),
        (host_with({"network": "a", "mac": None}), {"networks[0].mac": NO_MAC}),
        (
            host_with(
                {"network": "a", "mac": "02:00:00:00:00:0a"},
                "a",
                {"network": "b", "mac": "02:00:00:00:00:0A"},
            ),
            {"networks[2].mac": "another card has 02:00:00:00:00:0a as well"},
        ),
        ({**HOST, "boot": []}, {"boot": "[] should be non-empty"}),
        ({**HOST, "boot": "disk"}, {"boot": "'disk' is not of type 'array'"}),
        (
            {**HOST, "boot": ["disk", "hd"]},
            {"boot[1]": "'hd' is not one of ['disk', 'network', 'cdrom']"},
        ),
        ({**HOST, "boot": ["disk", "disk"]}, {"boot": "['disk', 'disk'] has non-unique elements"}),
        ({**HOST, "start": "no"}, {"start": "'no' is not of type 'boolean'"}),
        *(
            (
                {**INSTALL, "start": start},
                {"start": "cannot be combined with install, which starts the host"},
            )
            for start in (True, False)
        ),
        ({**HOST, "after_install": "off"}, {"after_install": 'requires "install": true'}),
        (
            {**INSTALL, "after_install": "stop"},
            {"after_install": "'stop' is not one of ['start', 'off']"},
        ),
    ],
)
def test_a_machine_that_is_refused(body: Any, errors: dict[str, str]) -> None:
    assert refused(host_request, "ns.example.com", body) == errors


@pytest.mark.parametrize(
    ("card", "read"),
    [
        ("a", Card("a")),
        ({"network": "a"}, Card("a")),
        ({"network": "a", "mac": "52:54:00:AB:cd:EF"}, Card("a", "52:54:00:ab:cd:ef")),
        ({"network": "a", "mac": "00:00:00:00:00:01"}, Card("a", "00:00:00:00:00:01")),
        ({"network": "a", "mac": "fc:ff:ff:ff:ff:ff"}, Card("a", "fc:ff:ff:ff:ff:ff")),
    ],
)
def test_a_card(card: Any, read: Card) -> None:
    assert host_request("ns", host_with(card)).networks == (read,)


def test_a_host_that_is_not_started() -> None:
    request = host_request("ns", {**HOST, "start": False, "boot": ["network"]})
    expected = HostRequest("ns", 512, (8,), (Card("vlan:10"),), boot=("network",), start=False)
    assert request == expected
    assert host_request("ns", {**HOST, "start": True, "install": False}).start


TREE = "http://mirror.example.com/debian"
INSTALL_FIELDS = (
    "there is no such field; the fields are location, cmdline, console, after_install, cdrom"
)
WITH_LOCATION = "requires a location: a network boot has its own kernel parameters"
NOT_BOTH = "cannot be combined with a location"


@pytest.mark.parametrize(
    ("body", "read"),
    [
        ({}, InstallRequest()),
        ({"cdrom": True}, InstallRequest(cdrom=True)),
        ({"cdrom": False}, InstallRequest()),
        ({"after_install": "off"}, InstallRequest(after_install="off")),
        ({"cdrom": True, "after_install": "start"}, InstallRequest(None, "", False, True, "start")),
        ({"location": "HTTP://A/b"}, InstallRequest("http://A/b")),
        (
            {"location": TREE, "cmdline": "a=b", "console": True, "cdrom": False},
            InstallRequest(TREE, "a=b", True),
        ),
        ({"location": TREE, "console": False}, InstallRequest(TREE)),
    ],
)
def test_another_install(body: Any, read: InstallRequest) -> None:
    assert install_request(body) == read


def refused_body(read: Any, body: Any) -> dict[str, str]:
    """The fields of a body that are refused, and why."""
    return refused(lambda name, given: read(given), "", body)


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        (None, {"body": "None is not of type 'object'"}),
        ([], {"body": "[] is not of type 'object'"}),
        ("cdrom", {"body": "'cdrom' is not of type 'object'"}),
        ({"install": True}, {"install": INSTALL_FIELDS}),
        ({"memory": 1, "boot": []}, dict.fromkeys(("boot", "memory"), INSTALL_FIELDS)),
        ({"cdrom": 1}, {"cdrom": "1 is not of type 'boolean'"}),
        ({"location": TREE, "cdrom": True}, {"cdrom": NOT_BOTH}),
        ({"cmdline": "a"}, {"cmdline": WITH_LOCATION}),
        ({"cdrom": True, "cmdline": "a"}, {"cmdline": WITH_LOCATION}),
        (
            {"cmdline": "a", "console": True},
            {"cmdline": WITH_LOCATION, "console": WITH_LOCATION},
        ),
        ({"location": None}, {"location": "None is not of type 'string'"}),
        ({"location": "file:///a"}, {"location": NOT_A_URL_OF_THEM}),
        (
            {"location": TREE, "cmdline": " a", "console": 1, "after_install": "stop"},
            {
                "cmdline": "it begins or ends with a space, which would be lost",
                "console": "1 is not of type 'boolean'",
                "after_install": "'stop' is not one of ['start', 'off']",
            },
        ),
    ],
)
def test_another_install_that_is_refused(body: Any, errors: dict[str, str]) -> None:
    assert refused_body(install_request, body) == errors


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "location": st.sampled_from(["http://a/", "ftp://a/", None, "a"]),
            "cmdline": st.sampled_from(["a", "", None]),
            "console": st.booleans(),
            "cdrom": st.booleans() | st.none(),
            "after_install": st.sampled_from(["start", "off", "stop"]),
        },
    )
)
def test_an_install_is_taken_when_it_fits_its_schema(body: dict[str, Any]) -> None:
    assert (refused_body(install_request, body) == {}) == fits(install_schema(CONFIG), body)


@pytest.mark.parametrize(
    "order", [["disk"], ["cdrom", "network", "disk"], ["network", "cdrom"]], ids=str
)
def test_a_boot_order(order: list[str]) -> None:
    assert boot_request({"boot": order}) == tuple(order)


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        (None, {"body": "None is not of type 'object'"}),
        (["disk"], {"body": "['disk'] is not of type 'object'"}),
        ({}, {"boot": "is required"}),
        ({"boot": None}, {"boot": "None is not of type 'array'"}),
        ({"boot": []}, {"boot": "[] should be non-empty"}),
        ({"boot": ["disk", "disk"]}, {"boot": "['disk', 'disk'] has non-unique elements"}),
        ({"boot": [1]}, {"boot[0]": "1 is not one of ['disk', 'network', 'cdrom']"}),
        (
            {"boot": ["hd,menu=on"], "start": True},
            {
                "boot[0]": "'hd,menu=on' is not one of ['disk', 'network', 'cdrom']",
                "start": "there is no such field; the fields are boot",
            },
        ),
    ],
)
def test_a_boot_order_that_is_refused(body: Any, errors: dict[str, str]) -> None:
    assert refused_body(boot_request, body) == errors


@pytest.mark.parametrize(
    ("image", "read"),
    [
        ("http://deb.example.com/a.iso", "http://deb.example.com/a.iso"),
        ("HTTPS://User:Word@[2001:db8::1]:80/A?b=1&c=<2>#d", None),
        ("http://a", "http://a"),
    ],
)
def test_an_image(image: str, read: str | None) -> None:
    expected = read or "https" + image.removeprefix("HTTPS")
    assert media_request({"image": image}) == expected


NOT_AN_IMAGE = "it is not an http or https URL"


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        (None, {"body": "None is not of type 'object'"}),
        ("http://a/", {"body": "'http://a/' is not of type 'object'"}),
        ({}, {"image": "is required"}),
        ({"image": None}, {"image": "None is not of type 'string'"}),
        ({"image": ["http://a/"]}, {"image": "['http://a/'] is not of type 'string'"}),
        (
            {"image": "http://a/", "size": 1},
            {"size": "there is no such field; the fields are image"},
        ),
        *(({"image": url}, {"image": NOT_ENCODED}) for url in ("", "http://a/b c", "http://a/\n")),
        *(
            ({"image": url}, {"image": NOT_AN_IMAGE})
            for url in ("ftp://a/b.iso", "file:///etc/passwd", "/srv/a.iso", "-o", "a.iso")
        ),
        ({"image": "http:///a.iso"}, {"image": NO_HOST}),
        ({"image": "http://a:0/"}, {"image": NO_HOST}),
        (
            {"image": f"http://a/{'b' * 2048}"},
            {"image": f"'http://a/{'b' * 190}..."},
        ),
    ],
)
def test_an_image_that_is_refused(body: Any, errors: dict[str, str]) -> None:
    assert refused_body(media_request, body) == errors


@pytest.mark.parametrize("name", ["clean", "before:2026", "_", "a.b-c", "1a", "x" * 247])
def test_a_name_of_a_snapshot(name: str) -> None:
    see_name(name)


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("location", None, "None is not of type 'string'"),
        ("console", "yes", "'yes' is not of type 'boolean'"),
        ("location", "", NOT_ENCODED),
        ("location", "http://a/b c", NOT_ENCODED),
        ("location", "http://a/ż", NOT_ENCODED),
        ("location", "/srv/debian.iso", NOT_A_URL_OF_THEM),
        ("location", "file:///etc/passwd", NOT_A_URL_OF_THEM),
        ("location", "http:///debian", NO_HOST),
        ("location", "http://a:0/", NO_HOST),
        ("location", "http://a:65536/", "it is not a URL: Port out of range 0-65535"),
        ("location", "http://[::1/", "it is not a URL: Invalid IPv6 URL"),
        ("cmdline", "a\nb", r"it has the character '\n', which no kernel command line can hold"),
        (
            "cmdline",
            "a\ud800",
            r"it has the character '\ud800', which no kernel command line can hold",
        ),
        (
            "cmdline",
            "a\uffff",
            r"it has the character '\uffff', which no kernel command line can hold",
        ),
        ("cmdline", " a", "it begins or ends with a space, which would be lost"),
        ("cmdline", "ż" * 1024, "it has 2048 bytes, and the kernel reads 2047"),
    ],
)
def test_a_field_of_an_install_that_is_refused(field: str, value: Any, why: str) -> None:
    assert refused(host_request, "ns.example.com", {**INSTALL, field: value}) == {field: why}


@pytest.mark.parametrize(
    "location",
    [
        # virt-install knows no scheme in upper case.
        "FtP://User:Word@MIRROR/A:b",
        "http://mirror/debian",
        "https://user:word@mirror.example.com:8443/debian?a=1,2#x",
        "ftp://192.0.2.1/",
        "http://[2001:db8::1]:80/",
    ],
)
def test_a_location(location: str) -> None:
    scheme, colon, rest = location.partition(":")
    install = host_request("ns", {**INSTALL, "location": location}).install
    assert install is not None
    assert install.location == scheme.lower() + colon + rest


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ([], {"body": "[] is not of type 'object'"}),
        ({}, {"bridge": "is required"}),
        ({"bridge": "br0"}, {"vlan": "is required, or trunk, or both"}),
        ({**NETWORK, "trunk": []}, {"trunk": "[] should be non-empty"}),
        ({**NETWORK, "trunk": [20, 10]}, {"trunk": "VLAN 10 comes without a tag by vlan"}),
        ({**NETWORK, "trunk": [20, 20]}, {"trunk": "[20, 20] has non-unique elements"}),
        # Compared with each other, they would be past what Python recurses to.
        (
            {**NETWORK, "trunk": [DEEP, DEEP]},
            {f"trunk[{index}]": f"{'[' * 200}..." for index in (0, 1)},
        ),
        ({**NETWORK, "trunk": [0]}, {"trunk[0]": "0 is less than the minimum of 1"}),
        (
            {**NETWORK, "tag": 1},
            {"tag": "there is no such field; the fields are bridge, vlan, trunk"},
        ),
        ({**NETWORK, "bridge": 1}, {"bridge": "1 is not of type 'string'"}),
        *(
            (
                {**NETWORK, "bridge": bridge},
                {
                    "bridge": f"{bridge!r} does not match "
                    r"'^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,14}$'"
                },
            )
            for bridge in ("", "-br0", "br 0", "br0\n", "br/0", "żółw", "a" * 16, ".")
        ),
        ({**NETWORK, "vlan": 0}, {"vlan": "0 is less than the minimum of 1"}),
        ({**NETWORK, "vlan": 4095}, {"vlan": "4095 is greater than the maximum of 4094"}),
        ({**NETWORK, "vlan": "10"}, {"vlan": "'10' is not of type 'integer'"}),
        ({**NETWORK, "vlan": 1.5}, {"vlan": "1.5 is not of type 'integer'"}),
    ],
)
def test_a_network_that_is_refused(body: Any, errors: dict[str, str]) -> None:
    assert refused(network_request, "vlan:10", body) == errors


NOT_A_HOST = "is not an RFC 1123 host name"
NOT_A_NETWORK = "is not letters, digits and . _ : -, not starting with - or ."


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", f"'' {NOT_A_HOST}"),
        ("-a", f"'-a' {NOT_A_HOST}"),
        ("a-", f"'a-' {NOT_A_HOST}"),
        ("a..b", f"'a..b' {NOT_A_HOST}"),
        ("a.", f"'a.' {NOT_A_HOST}"),
        ("a_b", f"'a_b' {NOT_A_HOST}"),
        ("a b", f"'a b' {NOT_A_HOST}"),
        ("a\n", rf"'a\n' {NOT_A_HOST}"),
        ("żółw", f"'żółw' {NOT_A_HOST}"),
        ("a/b", f"'a/b' {NOT_A_HOST}"),
        ("٣", f"'٣' {NOT_A_HOST}"),
        ("a" * 64, f"{'a' * 64!r} {NOT_A_HOST}"),
        ("1", "'1' is all digits, which virsh takes for a number"),
        (UUID, f"{UUID!r} has the shape of a UUID, which virsh takes it for"),
        (
            UUID.replace("-", "").upper(),
            f"{UUID.replace('-', '').upper()!r} has the shape of a UUID, which virsh takes it for",
        ),
        (
            ".".join(["a" * 62] + ["a" * 61] * 3),
            "it has 248 characters, and libvirt takes 247",
        ),
    ],
)
def test_a_name_that_no_host_can_have(name: str, why: str) -> None:
    assert refused(host_request, name, {**HOST, "disks": []}) == {"name": why}


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", f"'' {NOT_A_NETWORK}"),
        ("-a", f"'-a' {NOT_A_NETWORK}"),
        (".a", f"'.a' {NOT_A_NETWORK}"),
        ("a b", f"'a b' {NOT_A_NETWORK}"),
        ("a\n", rf"'a\n' {NOT_A_NETWORK}"),
        ("a/b", f"'a/b' {NOT_A_NETWORK}"),
        ("ż", f"'ż' {NOT_A_NETWORK}"),
        ("10", "'10' is all digits, which virsh takes for a number"),
        (UUID, f"{UUID!r} has the shape of a UUID, which virsh takes it for"),
        ("a" * 248, "it has 248 characters, and libvirt takes 247"),
    ],
)
def test_a_name_that_no_network_can_have(name: str, why: str) -> None:
    assert refused(network_request, name, NETWORK) == {"name": why}


@pytest.mark.parametrize(
    "name", ["-a", "--children", ".a", "", "a b", "a\n", "a/b", "ż", "a" * 248]
)
def test_a_name_that_no_snapshot_can_have(name: str) -> None:
    """They are those that no network can have."""
    told = refused_body(see_name, name)
    assert list(told) == ["snapshot"]
    assert told["snapshot"] == refused(network_request, name, NETWORK)["name"]


@pytest.mark.parametrize("name", ["a", "ns.example.com", "1a", "0.0", "A-1", "x" * 63])
def test_a_name_of_a_host(name: str) -> None:
    assert host_request(name, HOST).name == name


@pytest.mark.parametrize("name", ["a", "vlan:10", "_", ":", "ns_example_com_vlan_10", "a.b-c"])
def test_a_name_of_a_network(name: str) -> None:
    assert network_request(name, NETWORK).name == name


def test_a_long_value_is_cut_in_the_message() -> None:
    errors = refused(host_request, "ns", {**HOST, "memory": "x" * 1000, "y" * 1000: 1})
    assert errors == {
        "memory": f"'{'x' * 199}...",
        f"{'y' * 200}...": f"there is no such field; the fields are {FIELDS}",
    }


ANY_TEXT = st.text(st.characters(exclude_categories=()))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT, inner),
)
FIELD = st.sampled_from([*FIELDS.split(", "), "bridge", "vlan"])


@given(ANY_TEXT, JSON | st.dictionaries(FIELD, JSON))
def test_any_json_is_a_request_or_refused(name: str, body: Any) -> None:
    for read, kind in ((host_request, HostRequest), (network_request, NetworkRequest)):
        try:
            request = read(name, body)
        except InvalidRequest as error:
            json.dumps(error.facts())
        else:
            assert isinstance(request, kind)


FACTS = NewHostFacts(
    domains=frozenset(),
    macs=frozenset(),
    networks={"vlan:10": Network("vlan:10", UUID, "br0", True, Vlan((10,)))},
    active_networks=frozenset({"vlan:10"}),
    bridges=frozenset({"br0"}),
    memory_mib=1024,
)
# Text, and text that is more often than not what the agent takes.
NAME = ANY_TEXT | st.from_regex(r"-?[A-Za-z0-9._:-]{1,20}", fullmatch=True)
LOCATION = ANY_TEXT | st.from_regex(r"http://[a-z0-9.\[\]:@-]{1,9}/[!-~]{0,30}", fullmatch=True)
CMDLINE = ANY_TEXT | st.from_regex(r"[ -~]{0,40}", fullmatch=True)


def arguments(name: str, body: dict[str, Any]) -> list[str] | None:
    """The virt-install of a host, None when the request is refused."""
    try:
        request = host_request(name, body)
    except InvalidRequest:
        return None
    plan = host_plans.create(request, FACTS, Config(), UUID, "kvm")
    return list(plan.steps[-2].command.argv)


USUAL = arguments("ns.example.com", INSTALL)


def differing(argv: list[str]) -> list[str]:
    """The arguments that are not those of the usual install; there are as many."""
    assert USUAL is not None
    usual = [word for word in argv if not word.startswith("--extra-args=")]
    assert len(usual) == len(USUAL)
    return [word for word in argv if word not in USUAL]


@given(NAME)
def test_any_host_name_stands_whole_or_is_refused(name: str) -> None:
    argv = arguments(name, INSTALL)
    if argv is not None:
        assert differing(argv) == [
            f"--name={name}",
            f'--disk=vol="staging/{name[:209]}.{UUID}.0.qcow2",bus=scsi,address.type=drive,'
            "address.controller=0,address.bus=0,address.target=0,address.unit=0",
            f'--network=network="vlan:10",mac={next(iter(derived_macs(name, 0)))},model=virtio,'
            "target.dev=h6f1c1c3e00-0",
        ]


@given(LOCATION)
def test_any_location_stands_whole_or_is_refused(location: str) -> None:
    argv = arguments("ns.example.com", {**INSTALL, "location": location})
    if argv is not None:
        (word,) = differing(argv) or [f'--location=location="{location}"']
        assert word.startswith("--location=")
        scheme, colon, rest = location.partition(":")
        assert sub_options(word) == [("location", scheme.lower() + colon + rest)]


@given(CMDLINE)
def test_any_cmdline_stands_whole_or_is_refused(cmdline: str) -> None:
    argv = arguments("ns.example.com", {**INSTALL, "cmdline": cmdline})
    if argv is not None:
        assert differing(argv) == ([f"--extra-args={cmdline}"] if cmdline else [])


@given(NAME, NAME)
def test_any_network_stands_whole_or_is_refused(name: str, bridge: str) -> None:
    try:
        request = network_request(name, {"bridge": bridge, "vlan": 10})
    except InvalidRequest:
        return
    plan = network_plans.create(request, (), {bridge}, Config(), UUID)
    define, *others = [step.command for step in plan.steps]
    assert define.argv[2:] == ("net-define", "--file=/dev/stdin")
    assert f"<name>{name}</name>" in (define.stdin or "")
    assert f'<bridge name="{bridge}" />' in (define.stdin or "")
    assert {command.argv[3] for command in others} == {f"--network={UUID}"}


LIMITS = Config(host_memory=512, host_vcpus=2, host_disks=3, host_disk_gb=20, host_total_gb=30)


def test_what_is_within_the_limits() -> None:
    body = {"memory": 512, "vcpus": 2, "disks": [20, 5, 5.0], "networks": []}
    assert host_request("ns.example.com", body, LIMITS).disks == (20, 5, 5)


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        (
            {"memory": 513, "vcpus": 3, "disks": [21, 1], "networks": []},
            {
                "memory": "513 is greater than the maximum of 512",
                "vcpus": "3 is greater than the maximum of 2",
                "disks[0]": "21 is greater than the maximum of 20",
            },
        ),
        (
            {"memory": 1, "disks": [1, 1, 1, 1], "networks": []},
            {"disks": "4 are more than the maximum of 3"},
        ),
        (
            {"memory": 1, "disks": [20, 11], "networks": []},
            {"disks": "31 GB together are more than the maximum of 30 for a host"},
        ),
        (
            {"memory": 1, "disks": [True, "40", 10**4000, float("inf")], "networks": []},
            {
                "disks": "4 are more than the maximum of 3",
                "disks[0]": "True is not of type 'integer'",
                "disks[1]": "'40' is not of type 'integer'",
                "disks[2]": f"{10**4000} is greater than the maximum of 20"[:200] + "...",
                "disks[3]": "inf is not of type 'integer'",
            },
        ),
    ],
)
def test_what_is_beyond_the_limits(body: Any, errors: dict[str, str]) -> None:
    assert refused(partial(host_request, config=LIMITS), "ns.example.com", body) == errors


def test_the_limits_are_in_the_schema() -> None:
    """Those that are beyond what can be at all change nothing."""
    properties = host_schema(LIMITS)["properties"]
    assert properties["memory"]["maximum"] == 512
    assert properties["vcpus"]["maximum"] == 2
    assert properties["disks"]["maxItems"] == 3
    assert properties["disks"]["items"] == {"type": "integer", "minimum": 1, "maximum": 20}
    assert host_schema(Config(host_vcpus=999)) == host_schema(CONFIG)


def fits(schema: dict[str, Any], value: Any) -> bool:
    """Whether a value is what a schema of the OpenAPI document takes."""
    return Validator(schema).is_valid(value)


@given(NAME | st.from_regex(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}|[0-9]+", fullmatch=True))
def test_a_name_is_taken_when_it_fits_its_schema(name: str) -> None:
    assert ("name" not in refused(host_request, name, HOST)) == fits(names.HOST_NAME, name)
    assert ("name" not in refused(network_request, name, NETWORK)) == fits(names.NETWORK_NAME, name)


@given(
    st.fixed_dictionaries(
        {"memory": st.just(512), "disks": st.just([]), "networks": st.sampled_from([[], ["a"]])},
        optional={
            "install": st.sampled_from([True, False, None, 1]),
            "location": st.sampled_from(["http://a/", None]) | LOCATION,
            "cmdline": st.sampled_from(["a", None]) | CMDLINE,
            "console": st.sampled_from([True, False, None]),
        },
    )
)
def test_a_host_is_taken_when_it_fits_its_schema(body: dict[str, Any]) -> None:
    """But for bytes of a text, characters beyond its first plane, and numbers for a host."""
    found = set(refused(host_request, "ns", body))
    beyond = set()
    if "[" in (body.get("location") or ""):
        beyond.add("location")
    if not all(char < "\ud800" for char in body.get("cmdline") or ""):
        beyond.add("cmdline")
    assert found <= beyond if fits(host_schema(CONFIG), body) else found


def test_a_pattern_ends_where_the_text_does() -> None:
    assert fits({"pattern": "^a$"}, "a")
    assert not fits({"pattern": "^a$"}, "a\n")
    assert fits({"pattern": "^a$"}, 1)
