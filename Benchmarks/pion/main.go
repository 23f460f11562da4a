// One role of a data channel benchmark, played with Pion: the comparison beside peer-tree's own transport.
//
// Roles: source, relay, sink, ping, pong. They speak the lines of JSON that ../README.md describes: signalling and
// commands on standard input, answers on standard output.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	if len(os.Args) < 2 {
		fail("usage: pion-bench source|relay|sink|ping|pong [--children N] [--size BYTES] [--count N]")
	}
	role := os.Args[1]
	flags := flag.NewFlagSet(role, flag.ExitOnError)
	children := flags.Int("children", 1, "links this role offers")
	size := flags.Int("size", 16384, "bytes of a message")
	count := flags.Int("count", 10000, "round trips of a ping")
	if err := flags.Parse(os.Args[2:]); err != nil {
		fail(err.Error())
	}

	peer := newPeer()
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
