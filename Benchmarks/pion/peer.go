package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/pion/ice/v2"
	"github.com/pion/webrtc/v3"
)

// line is one line of the benchmark's protocol, in either direction; see ../README.md.
type line struct {
	Offer   string  `json:"offer,omitempty"`
	Answer  string  `json:"answer,omitempty"`
	Link    int     `json:"link"`
	Command string  `json:"command,omitempty"`
	Event   string  `json:"event,omitempty"`
	Bytes   uint64  `json:"bytes,omitempty"`
	CPU     float64 `json:"cpu,omitempty"`
	P50     float64 `json:"p50,omitempty"`
	P99     float64 `json:"p99,omitempty"`
	Seconds float64 `json:"seconds,omitempty"`
}

// peer is this process: its counters and its conversation with the runner.
type peer struct {
	api     *webrtc.API
	bytes   uint64
	start   chan struct{}
	number  int // Of the link it answers.
	offers  chan line
	answers []chan line
	output  sync.Mutex
}

// link is an open data channel; its stream is read directly, which is Pion's fast way.
type link struct {
	channel *webrtc.DataChannel
	stream  io.ReadWriteCloser
	opened  chan struct{}
	drained chan struct{}
}

// Up to maximumBuffered bytes wait in a link; when lowWater is reached more is sent.
const (
	maximumBuffered = 1 << 20
	lowWater        = 512 << 10
	maximumLinks    = 1024
)

func newPeer() *peer {
	var settings webrtc.SettingEngine
	settings.DetachDataChannels()
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetInterfaceFilter(func(name string) bool { return name == "lo" || name == "lo0" })
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	// One port for all links, with the kernel buffer that our own side asks for: by default Pion loses so many
	// datagrams on a busy machine that it runs at half this rate.
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	check(err)
	check(socket.SetReadBuffer(4 << 20))
	settings.SetICEUDPMux(webrtc.NewICEUDPMux(nil, socket))
	p := &peer{
		api:    webrtc.NewAPI(webrtc.WithSettingEngine(settings)),
		start:  make(chan struct{}),
		offers: make(chan line, 1),
	}
	for i := 0; i < maximumLinks; i++ {
		p.answers = append(p.answers, make(chan line, 1))
	}
	return p
}

// listen obeys the runner until it closes our standard input.
func (p *peer) listen() {
	scanner := bufio.NewScanner(os.Stdin)
	scanner.Buffer(make([]byte, 0, 1<<16), 1<<20)
	for scanner.Scan() {
		var input line
		check(json.Unmarshal(scanner.Bytes(), &input))
		switch {
		case input.Offer != "":
			p.offers <- input
		case input.Answer != "":
			p.answers[input.Link] <- input
		case input.Command == "start":
			close(p.start)
		case input.Command == "report":
			p.say(line{Event: "report", Bytes: atomic.LoadUint64(&p.bytes), CPU: cpuSeconds()})
		}
	}
	os.Exit(0)
}

func (p *peer) say(output line) {
	p.output.Lock()
	defer p.output.Unlock()
	check(json.NewEncoder(os.Stdout).Encode(output))
}

// offer begins a link and completes it when the runner brings the answer.
func (p *peer) offer(index int) *link {
	connection, err := p.api.NewPeerConnection(webrtc.Configuration{})
	check(err)
	channel, err := connection.CreateDataChannel("bench", nil)
	check(err)
	result := newLink()
	result.watch(channel)
	description, err := connection.CreateOffer(nil)
	check(err)
	gathered := webrtc.GatheringCompletePromise(connection)
	check(connection.SetLocalDescription(description))
	<-gathered
	p.say(line{Offer: connection.LocalDescription().SDP, Link: index})
	go func() {
		answer := <-p.answers[index]
		check(connection.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer.Answer}))
	}()
	return result
}

// answer awaits an offer and completes the link.
func (p *peer) answer() *link {
	offer := <-p.offers
	connection, err := p.api.NewPeerConnection(webrtc.Configuration{})
	check(err)
	result := newLink()
	connection.OnDataChannel(result.watch)
	check(connection.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer.Offer}))
	description, err := connection.CreateAnswer(nil)
	check(err)
	gathered := webrtc.GatheringCompletePromise(connection)
	check(connection.SetLocalDescription(description))
	<-gathered
	p.say(line{Answer: connection.LocalDescription().SDP, Link: p.number})
	return result
}

func (p *peer) waitOpen(links []*link) {
	for _, link := range links {
		<-link.opened
	}
	p.say(line{Event: "open"})
}

func newLink() *link {
	return &link{opened: make(chan struct{}), drained: make(chan struct{}, 1)}
}

func (l *link) watch(channel *webrtc.DataChannel) {
	l.channel = channel
	channel.SetBufferedAmountLowThreshold(lowWater)
	channel.OnBufferedAmountLow(func() {
		select {
		case l.drained <- struct{}{}:
		default:
		}
	})
	channel.OnOpen(func() {
		stream, err := channel.Detach()
		check(err)
		l.stream = stream
		close(l.opened)
	})
}

// send waits while the link is full.
func (l *link) send(message []byte) {
	for l.channel.BufferedAmount() > maximumBuffered {
		<-l.drained
	}
	_, err := l.stream.Write(message)
	check(err)
}

// cpuSeconds is what this process has used so far, user and system.
func cpuSeconds() float64 {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	seconds := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	return seconds(usage.Utime) + seconds(usage.Stime)
}
