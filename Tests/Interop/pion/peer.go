package main

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"os"
	"strings"
	"sync"

	"github.com/pion/datachannel"
	"github.com/pion/ice/v2"
	"github.com/pion/webrtc/v3"
)

type event map[string]interface{}

// peer is one connection and its channels by label.
type peer struct {
	connection *webrtc.PeerConnection
	lock       sync.Mutex // Guards channels.
	channels   map[string]*webrtc.DataChannel
	output     sync.Mutex
}

func newPeer() *peer {
	var settings webrtc.SettingEngine
	settings.DetachDataChannels()
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	connection, err := webrtc.NewAPI(webrtc.WithSettingEngine(settings)).NewPeerConnection(webrtc.Configuration{})
	check(err)
	p := &peer{connection: connection, channels: map[string]*webrtc.DataChannel{}}
	connection.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		p.tell(event{"event": "state", "state": state.String()})
	})
	connection.OnDataChannel(func(channel *webrtc.DataChannel) {
		p.tell(event{
			"event": "channel", "label": channel.Label(), "ordered": channel.Ordered(), "protocol": channel.Protocol(),
			"maxRetransmits": channel.MaxRetransmits(), "maxPacketLifeTime": channel.MaxPacketLifeTime(),
		})
		p.adopt(channel)
	})
	return p
}

func (p *peer) tell(told event) {
	p.output.Lock()
	defer p.output.Unlock()
	check(json.NewEncoder(os.Stdout).Encode(told))
}

func (p *peer) adopt(channel *webrtc.DataChannel) {
	label := channel.Label()
	p.lock.Lock()
	p.channels[label] = channel
	p.lock.Unlock()
	channel.OnOpen(func() {
		stream, err := channel.Detach()
		check(err)
		p.tell(event{"event": "open", "label": label})
		go p.read(label, stream)
	})
}

// read tells what comes until the channel closes. Pion's own reading has room for 65,535 bytes, one less than what a
// description without a limit promises, and closes the channel if a message is longer.
func (p *peer) read(label string, stream datachannel.ReadWriteCloser) {
	buffer := make([]byte, 1<<18)
	for {
		count, isString, err := stream.ReadDataChannel(buffer)
		if err != nil {
			p.tell(event{"event": "closed", "label": label})
			return
		}
		p.received(label, buffer[:count], isString)
	}
}

func (p *peer) received(label string, data []byte, isString bool) {
	sum := fnv.New32a()
	sum.Write(data)
	told := event{
		"event": "message", "label": label, "kind": "binary", "size": len(data), "checksum": sum.Sum32(),
	}
	if isString {
		told["kind"] = "text"
		if len(data) <= 1024 {
			told["text"] = string(data)
		}
	}
	p.tell(told)
}

func (p *peer) perform(input command) error {
	switch input.Cmd {
	case "create":
		channel, err := p.connection.CreateDataChannel(input.Label, &webrtc.DataChannelInit{
			Ordered: input.Ordered, MaxRetransmits: input.MaxRetransmits,
			MaxPacketLifeTime: input.MaxPacketLifeTime, Protocol: input.Protocol,
		})
		if err == nil {
			p.adopt(channel)
		}
		return err
	case "offer":
		offer, err := p.connection.CreateOffer(nil)
		if err != nil {
			return err
		}
		return p.describe(offer)
	case "remote":
		return p.remote(input)
	case "send":
		return p.send(input)
	case "close-channel":
		return p.channel(input.Label).Close()
	case "close":
		return p.connection.Close()
	}
	return fmt.Errorf("unknown command %q", input.Cmd)
}

func (p *peer) channel(label string) *webrtc.DataChannel {
	p.lock.Lock()
	defer p.lock.Unlock()
	return p.channels[label]
}

// describe sets the local description and tells it once all candidates are in it.
func (p *peer) describe(description webrtc.SessionDescription) error {
	gathered := webrtc.GatheringCompletePromise(p.connection)
	if err := p.connection.SetLocalDescription(description); err != nil {
		return err
	}
	<-gathered
	local := p.connection.LocalDescription()
	p.tell(event{"event": "description", "type": local.Type.String(), "sdp": local.SDP})
	return nil
}

func (p *peer) remote(input command) error {
	description := webrtc.SessionDescription{Type: webrtc.NewSDPType(input.Type), SDP: input.SDP}
	if err := p.connection.SetRemoteDescription(description); err != nil || input.Type != "offer" {
		return err
	}
	answer, err := p.connection.CreateAnswer(nil)
	if err != nil {
		return err
	}
	return p.describe(answer)
}

func (p *peer) send(input command) error {
	channel := p.channel(input.Label)
	count := 1
	if input.Count != nil {
		count = *input.Count
	}
	for index := 0; index < count; index++ {
		if err := sendOne(channel, input, index); err != nil {
			return err
		}
	}
	return nil
}

func sendOne(channel *webrtc.DataChannel, input command, index int) error {
	if input.Text == nil {
		message := make([]byte, input.Size)
		for offset := range message {
			message[offset] = byte((input.Seed + offset) % 251)
		}
		return channel.Send(message)
	}
	text := strings.ReplaceAll(*input.Text, "#", fmt.Sprint(index))
	if input.Kind == "text" {
		return channel.SendText(text)
	}
	return channel.Send([]byte(text))
}
