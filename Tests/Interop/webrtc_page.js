// The browser's peer: evaluated in a page that has `deliver`, which takes a list of events. Commands and events are
// those of Sources/webrtc-interop/InteropPeer.swift.
(() => {
    const connection = new RTCPeerConnection();
    const channels = new Map();
    let events = [];

    // Events that come together travel together: a call out of the page costs a millisecond.
    function emit(event) {
        events.push(event);
        if (events.length > 1) return;
        setTimeout(() => {
            const batch = events;
            events = [];
            deliver(batch);
        });
    }

    function checksum(bytes) {
        let value = 0x811c9dc5;
        for (const byte of bytes) value = Math.imul(value ^ byte, 0x01000193);
        return value >>> 0;
    }

    function pattern(size, seed) {
        return Uint8Array.from({ length: size }, (_, index) => (seed + index) % 251);
    }

    function received(label, data) {
        const isText = typeof data === "string";
        const bytes = isText ? new TextEncoder().encode(data) : new Uint8Array(data);
        emit({
            event: "message",
            label,
            kind: isText ? "text" : "binary",
            size: bytes.length,
            checksum: checksum(bytes),
            text: isText && bytes.length <= 1024 ? data : null,
        });
    }

    function adopt(channel) {
        const label = channel.label;
        channels.set(label, channel);
        channel.binaryType = "arraybuffer";
        if (channel.readyState === "open") emit({ event: "open", label });
        channel.onopen = () => emit({ event: "open", label });
        channel.onclose = () => emit({ event: "closed", label });
        channel.onmessage = ({ data }) => received(label, data);
    }

    async function describe() {
        await connection.setLocalDescription();
        while (connection.iceGatheringState !== "complete") {
            await new Promise((resolve) => (connection.onicegatheringstatechange = resolve));
        }
        const { type, sdp } = connection.localDescription;
        emit({ event: "description", type, sdp });
    }

    function send({ label, kind, text, size, seed = 0, count = 1 }) {
        for (let index = 0; index < count; index++) {
            if (text === undefined) {
                channels.get(label).send(pattern(size, seed));
            } else {
                const message = text.replace("#", index);
                channels.get(label).send(kind === "text" ? message : new TextEncoder().encode(message));
            }
        }
    }

    connection.onconnectionstatechange = () => emit({ event: "state", state: connection.connectionState });
    connection.ondatachannel = ({ channel }) => {
        const { label, ordered, maxRetransmits, maxPacketLifeTime, protocol } = channel;
        emit({ event: "channel", label, ordered, maxRetransmits, maxPacketLifeTime, protocol });
        adopt(channel);
    };

    window.perform = async (command) => {
        switch (command.cmd) {
            case "create": {
                const { label, cmd, ...options } = command;
                return adopt(connection.createDataChannel(label, options));
            }
            case "offer":
                return describe();
            case "remote":
                await connection.setRemoteDescription({ type: command.type, sdp: command.sdp });
                return command.type === "offer" ? describe() : undefined;
            case "send":
                return send(command);
            case "close-channel":
                return channels.get(command.label).close();
            case "close":
                return connection.close();
        }
    };
})();
