package main

import (
	"sort"
	"sync/atomic"
	"time"
)

// Longer than any message: a read returns one whole message.
const readBuffer = 1 << 18

// source sends messages as fast as its links take them, from "start" on.
func (p *peer) source(children, size int) {
	links := make([]*link, children)
	for i := range links {
		links[i] = p.offer(i)
	}
	p.waitOpen(links)
	<-p.start
	message := make([]byte, size)
	for {
		for _, link := range links {
			link.send(message)
		}
		atomic.AddUint64(&p.bytes, uint64(size))
	}
}

// relay passes every message on to all its children; a full child holds up the reading, as in any lossless relay.
func (p *peer) relay(children int) {
	upstream := p.answer()
	links := make([]*link, children)
	for i := range links {
		links[i] = p.offer(i)
	}
	p.waitOpen(append([]*link{upstream}, links...))
	buffer := make([]byte, readBuffer)
	for {
		count, err := upstream.stream.Read(buffer)
		check(err)
		for _, link := range links {
			link.send(buffer[:count])
		}
		atomic.AddUint64(&p.bytes, uint64(count))
	}
}

// sink counts what it gets.
func (p *peer) sink() {
	upstream := p.answer()
	p.waitOpen([]*link{upstream})
	buffer := make([]byte, readBuffer)
	for {
		count, err := upstream.stream.Read(buffer)
		check(err)
		atomic.AddUint64(&p.bytes, uint64(count))
	}
}

// pong sends every message back.
func (p *peer) pong() {
	upstream := p.answer()
	p.waitOpen([]*link{upstream})
	buffer := make([]byte, readBuffer)
	for {
		count, err := upstream.stream.Read(buffer)
		check(err)
		upstream.send(buffer[:count])
	}
}

// ping measures round trips, one at a time, after a tenth as many for warming up.
func (p *peer) ping(size, count int) {
	channel := p.offer(0)
	p.waitOpen([]*link{channel})
	<-p.start
	message := make([]byte, size)
	buffer := make([]byte, readBuffer)
	samples := make([]float64, 0, count)
	for i := 0; i < count+count/10; i++ {
		begin := time.Now()
		channel.send(message)
		_, err := channel.stream.Read(buffer)
		check(err)
		if i >= count/10 {
			samples = append(samples, float64(time.Since(begin).Nanoseconds())/1000)
		}
	}
	sort.Float64s(samples)
	p.say(line{P50: samples[count/2], P99: samples[count*99/100]})
	select {}
}
