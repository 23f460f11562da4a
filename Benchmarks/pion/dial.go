package main

import (
	"bufio"
	"encoding/json"
	"os"
	"sort"
	"time"
)

// dial offers connections, some at a time, and keeps them open: how long each takes, and what they cost while idle.
func (p *peer) dial(count, parallel int) {
	<-p.start
	begin := time.Now()
	slots := make(chan struct{}, parallel)
	samples := make(chan float64, count)
	for i := 0; i < count; i++ {
		slots <- struct{}{}
		offered := time.Now()
		link := p.offer(i)
		go func() {
			<-link.opened
			samples <- float64(time.Since(offered).Nanoseconds()) / 1000
			<-slots
		}()
	}
	sorted := make([]float64, count)
	for i := range sorted {
		sorted[i] = <-samples
	}
	seconds := time.Since(begin).Seconds()
	sort.Float64s(sorted)
	p.say(line{P50: sorted[count/2], P99: sorted[count*99/100], Seconds: seconds})
	select {}
}

// accept answers every offer, each on a port of its own: to the dialler they are as many peers.
func accept() {
	scanner := bufio.NewScanner(os.Stdin)
	scanner.Buffer(make([]byte, 0, 1<<16), 1<<20)
	for scanner.Scan() {
		var input line
		check(json.Unmarshal(scanner.Bytes(), &input))
		if input.Offer == "" {
			continue
		}
		p := newPeer()
		p.number = input.Link
		p.offers <- input
		go p.answer()
	}
}
