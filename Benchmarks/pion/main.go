// One role of a data channel benchmark, played with Pion: the comparison beside peer-tree's own transport.
//
// Roles: source, relay, sink, ping, pong, dial, accept. They speak the lines of JSON that ../README.md describes: signalling and
// commands on standard input, answers on standard output.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	if len(os.Args) < 2 {
		fail("usage: pion-bench source|relay|sink|ping|pong|dial|accept [--children N] [--size BYTES] [--count N] [--parallel N]")
	}
	role := os.Args[1]
	flags := flag.NewFlagSet(role, flag.ExitOnError)
	children := flags.Int("children", 1, "links this role offers")
	size := flags.Int("size", 16384, "bytes of a message")
	count := flags.Int("count", 10000, "round trips of a ping, connections of a dial")
	parallel := flags.Int("parallel", 1, "connections under way at a time")
	if err := flags.Parse(os.Args[2:]); err != nil {
		fail(err.Error())
	}

	if role == "accept" {
		accept()
		return
	}
	peer := newPeer()
	go peer.listen()
	switch role {
	case "source":
		peer.source(*children, *size)
	case "relay":
		peer.relay(*children)
	case "sink":
		peer.sink()
	case "ping":
		peer.ping(*size, *count)
	case "pong":
		peer.pong()
	case "dial":
		peer.dial(*count, *parallel)
	default:
		fail("unknown role " + role)
	}
}

func fail(message string) {
	fmt.Fprintln(os.Stderr, "pion-bench: "+message)
	os.Exit(1)
}

func check(err error) {
	if err != nil {
		fail(err.Error())
	}
}
