"""Real peers across real NATs: which candidates they meet by, and that every message arrives."""

import time

import lab as laboratories
import pytest
from peers import check_stream, connect

SEEN = {"srflx", "prflx"}


def test_without_nat_hosts_talk_directly(lab, peer):
    lab.public("a")
    lab.public("b")
    a, b = peer("a"), peer("b")
    connect(a, b)
    for one in (a, b):
        pair = one.pair()
        assert (pair["local"], pair["remote"]) == ("host", "host")
    check_stream(a, b)


def test_behind_one_port_preserving_nat_stun_suffices(lab, peer):
    lab.behind_nat("a")
    lab.public("b")
    lab.start_turn()
    a, b = peer("a", "--ice-server", lab.stun), peer("b", "--ice-server", lab.stun)
    connect(a, b)
    pair = a.pair()
    # On a busy machine a check can show the address before the STUN server's answer does.
    assert pair["local"] in SEEN and pair["remote"] == "host"
    assert pair["localAddress"].startswith(laboratories.OUTSIDE["a"] + ":")
    assert b.pair()["remote"] in SEEN
    check_stream(a, b)


def test_behind_two_port_preserving_nats_stun_suffices(lab, peer):
    lab.behind_nat("a")
    lab.behind_nat("b")
    lab.start_turn()
    a, b = peer("a", "--ice-server", lab.stun), peer("b", "--ice-server", lab.stun)
    connect(a, b)
    for one in (a, b):
        pair = one.pair()
        assert pair["local"] == "srflx" and pair["remote"] in SEEN
    check_stream(a, b)


def test_two_symmetric_nats_are_crossed_by_turn_only(lab, peer):
    lab.symmetric("a")
    lab.symmetric("b")
    lab.start_turn()
    a, b = peer("a", "--ice-server", lab.stun), peer("b", "--ice-server", lab.stun)
    a.other, b.other = b, a
    a.command("offer")
    failed = a.event("state", state="failed")
    assert "ICE failed" in failed["reason"]
    a, b = (peer(side, "--ice-server", lab.stun, "--ice-server", lab.relay()) for side in "ab")
    connect(a, b)
    for one in (a, b):
        pair = one.pair()
        assert "relay" in (pair["local"], pair["remote"]), pair
    check_stream(a, b)


def test_with_the_relay_policy_no_address_but_the_relays_is_shown(lab, peer):
    lab.public("a")
    lab.public("b")
    lab.start_turn()
    options = ("--ice-server", lab.relay(), "--relay-only")
    a, b = peer("a", *options), peer("b", *options)
    connect(a, b)
    for one in (a, b):
        pair = one.pair()
        assert pair["local"] == pair["remote"] == "relay"
        told = [event["candidate"] for event in one.all("candidate")]
        told += [line for event in one.all("description") for line in event["sdp"].splitlines()]
        assert any("typ relay" in line for line in told)
        assert not any(address in line for line in told for address in laboratories.OUTSIDE.values())
    check_stream(a, b)


def test_where_udp_is_blocked_turn_over_tcp_serves(lab, peer):
    lab.without_udp("a")
    lab.public("b")
    lab.start_turn()
    url = f"turn:{laboratories.SERVER}:3478?transport=tcp"
    a, b = peer("a", "--ice-server", lab.relay(url)), peer("b")
    connect(a, b)
    assert a.pair()["local"] == "relay"
    check_stream(a, b)


def test_where_udp_is_blocked_turn_over_tls_serves(lab, peer):
    lab.without_udp("a")
    lab.without_udp("b")
    lab.start_turn()
    url = f"turns:{laboratories.SERVER}:5349"
    options = ("--ice-server", lab.relay(url), "--authorities", str(lab.certificate))
    a, b = peer("a", *options), peer("b", *options)
    connect(a, b)
    for one in (a, b):
        pair = one.pair()
        assert pair["local"] == pair["remote"] == "relay"
    check_stream(a, b)


def test_a_turn_server_with_an_unknown_certificate_is_not_used(lab, peer):
    lab.without_udp("a")
    lab.start_turn()
    a = peer("a", "--ice-server", lab.relay(f"turns:{laboratories.SERVER}:5349"))
    a.command("offer")
    a.event("gathering", state="complete")
    assert not any("typ relay" in event["candidate"] for event in a.all("candidate"))


def test_ipv6_alone_suffices(lab, peer):
    lab.public("a", ipv4=False, ipv6=True)
    lab.public("b", ipv4=False, ipv6=True)
    lab.start_turn()
    servers = ("--ice-server", f"stun:[{laboratories.SERVER6}]:3478")
    a, b = peer("a", *servers), peer("b", *servers)
    connect(a, b)
    for one in (a, b):
        pair = one.pair()
        assert (pair["local"], pair["remote"]) == ("host", "host")
        assert pair["localAddress"].startswith("[2001:db8:113::")
    check_stream(a, b)


def test_ipv6_alone_suffices_for_a_relay(lab, peer):
    lab.public("a", ipv4=False, ipv6=True)
    lab.public("b", ipv4=False, ipv6=True)
    lab.start_turn()
    url = f"turn:[{laboratories.SERVER6}]:3478?transport=udp"
    a, b = peer("a", "--ice-server", lab.relay(url), "--relay-only"), peer("b")
    connect(a, b)
    assert a.pair()["local"] == "relay"
    check_stream(a, b)


def test_a_new_address_is_followed_without_signalling(lab, peer):
    lab.public("a")
    lab.public("b")
    a, b = peer("a"), peer("b")
    connect(a, b)
    new = "203.0.113.11"

    def move():
        b.event("received", count=100)
        a.signals = b.signals = False
        lab.move("a", new)

    check_stream(a, b, move, messages=600)
    a.event("network")
    assert b.pair()["remoteAddress"].startswith(new + ":")
    assert [event["state"] for event in b.all("ice")] == ["checking", "connected"]


def test_an_ice_restart_finds_the_new_path_and_loses_nothing(lab, peer):
    # B's NAT lets only A's old address in: nothing that A does by itself can reach B.
    lab.public("a")
    lab.behind_nat("b")
    lab.start_turn()
    a, b = peer("a", "--ice-server", lab.stun), peer("b", "--ice-server", lab.stun)
    connect(a, b)
    new = "203.0.113.11"

    def move():
        b.event("received", count=100)
        # Should B be told of the new address, it would open its NAT by itself.
        a.signals = False
        lab.move("a", new)
        a.event("ice", state="disconnected")
        a.signals = True
        a.command("restart")

    check_stream(a, b, move, messages=600)
    a.event("ice", state="connected")
    assert b.pair()["remoteAddress"].startswith(new + ":")
    assert a.pair()["localAddress"].startswith(new + ":")


def test_a_restart_while_all_is_well_loses_nothing(lab, peer):
    lab.behind_nat("a")
    lab.behind_nat("b")
    lab.start_turn()
    a, b = (peer(side, "--ice-server", lab.stun, "--ice-server", lab.relay()) for side in "ab")
    connect(a, b)

    def restart():
        for one, other in ((a, b), (b, a)):
            one.command("restart")
            other.event("description", type="answer")
            time.sleep(0.5)

    check_stream(a, b, restart, messages=400)
    for one in (a, b):
        assert [event["state"] for event in one.all("state")] == ["connecting", "connected"]


def test_a_name_of_the_local_network_is_looked_up(lab, peer):
    lab.public("a")
    lab.public("b")
    name = "1f4712db-ea17-4bcf-a596-105139dfd8bf.local"
    lab.name("a", name, laboratories.OUTSIDE["b"])
    a, b = peer("a"), peer("b")
    # A is told B's name in place of its address, and B is told nothing: only A can begin.
    b.rewrite = lambda text: text.replace(laboratories.OUTSIDE["b"], name)
    a.rewrite = lambda text: "".join(line for line in text.splitlines(True) if "candidate" not in line)
    connect(a, b)
    assert any(f" {name} " in b.rewrite(event["sdp"]) for event in b.all("description"))
    pair = a.pair()
    assert pair["remote"] == "host" and pair["remoteAddress"].startswith(laboratories.OUTSIDE["b"] + ":")
    check_stream(a, b)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_turn_server_that_restarts_is_used_again_and_nothing_is_lost(lab, peer, transport):
    lab.public("a")
    lab.public("b")
    lab.start_turn()
    url = f"turn:{laboratories.SERVER}:3478?transport={transport}"
    a, b = peer("a", "--ice-server", lab.relay(url), "--relay-only"), peer("b")
    connect(a, b)
    before = a.pair()["localAddress"]
    check_stream(a, b, restart_of_turn(lab, a, b), messages=400)
    after = a.pair()
    assert after["local"] == "relay" and after["localAddress"] != before


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_two_relays_of_a_turn_server_that_restarts_find_each_other_again(lab, peer, transport):
    lab.symmetric("a")
    lab.symmetric("b")
    lab.start_turn()
    url = f"turn:{laboratories.SERVER}:3478?transport={transport}"
    a, b = (peer(side, "--ice-server", lab.relay(url), "--relay-only") for side in "ab")
    connect(a, b)
    before = [one.pair()["localAddress"] for one in (a, b)]
    check_stream(a, b, restart_of_turn(lab, a, b), messages=400)
    for one, old in zip((a, b), before):
        after = one.pair()
        assert after["local"] == after["remote"] == "relay" and after["localAddress"] != old


def restart_of_turn(lab, a, b):
    """What happens in the middle of a stream: coturn ends, begins anew, and the stream goes on, both ways."""

    def restart():
        b.event("received", count=100)
        lab.stop_turn()
        lab.start_turn()
        a.event("ice", state="disconnected")
        a.event("ice", state="connected")

    return restart
