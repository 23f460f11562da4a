// Pion's peer of the interoperation tests. Commands come as lines of JSON on standard input, events leave on standard
// output; both are those of Sources/webrtc-interop/InteropPeer.swift. `--version` prints Pion's version.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
)

// debianVersion is set by the linker when Pion comes from Debian, whose sources carry no module version.
var debianVersion string

type command struct {
	Cmd               string  `json:"cmd"`
	Label             string  `json:"label"`
	Ordered           *bool   `json:"ordered"`
	MaxRetransmits    *uint16 `json:"maxRetransmits"`
	MaxPacketLifeTime *uint16 `json:"maxPacketLifeTime"`
	Protocol          *string `json:"protocol"`
	Type              string  `json:"type"`
	SDP               string  `json:"sdp"`
	Kind              string  `json:"kind"`
	Text              *string `json:"text"`
	Size              int     `json:"size"`
	Seed              int     `json:"seed"`
	Count             *int    `json:"count"`
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "--version" {
		fmt.Println(version())
		return
	}
	peer := newPeer()
	scanner := bufio.NewScanner(os.Stdin)
	scanner.Buffer(make([]byte, 0, 1<<16), 1<<20)
	for scanner.Scan() {
		var input command
		check(json.Unmarshal(scanner.Bytes(), &input))
		if err := peer.perform(input); err != nil {
			peer.tell(event{"event": "error", "label": input.Label, "reason": err.Error()})
		}
	}
}

func version() string {
	if debianVersion != "" {
		return debianVersion
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if module.Path == "github.com/pion/webrtc/v3" {
				return module.Version
			}
		}
	}
	return "of unknown version"
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "pion-interop: "+err.Error())
		os.Exit(1)
	}
}
