module pion-interop

go 1.19

require (
	github.com/pion/datachannel v1.5.5
	github.com/pion/ice/v2 v2.2.13
	github.com/pion/webrtc/v3 v3.1.56
)
