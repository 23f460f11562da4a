package import PeerTreeSignalling
package import PeerTreeSignallingWire

/// Puts what a loop says to another node into frames.
package enum NodeMail {
    /// From how many bytes on the next message goes into another frame. One message alone may be longer.
    private static let fullFrame = 256 << 10

    /// The frames of messages, in which each reader finds his in their order.
    package static func frames(_ messages: [NodeMessage]) -> [[UInt8]] {
        var frames: [[UInt8]] = []
        var (toTrees, toGateways): ([UInt32: [LetterToTree]], [UInt32: [LetterToGateway]]) = ([:], [:])
        var bytes = 0
        func flush() {
            for (number, letters) in toTrees.sorted(by: { $0.key < $1.key }) {
                frames.append(NodeFrame.toTrees(from: number, letters).written())
            }
            for (number, letters) in toGateways.sorted(by: { $0.key < $1.key }) {
                frames.append(NodeFrame.toGateway(to: number, letters).written())
            }
            (toTrees, toGateways, bytes) = ([:], [:], 0)
        }
        for message in messages {
            switch message {
            case .toTree(let message, let gateway):
                guard let slot = message.slot else { continue }
                let written = message.written()
                toTrees[gateway, default: []].append(LetterToTree(slot: slot, message: written))
                bytes += written.count + 16
            case .toGateway(let message, let number, let fence):
                let written = message.written()
                toGateways[number, default: []].append(LetterToGateway(fence: fence, message: written))
                bytes += written.count + 32
            }
            if bytes >= fullFrame { flush() }
        }
        flush()
        return frames
    }

    /// What gateways of another node say. What cannot be read is left out, and told.
    package static func read(
        _ letters: [LetterToTree],
        by gateway: GatewayID,
        options: SignallingOptions,
        unreadable: (String) -> Void
    ) -> [PartMessage] {
        letters.compactMap { letter in
            do throws(WrittenFormError) {
                let message = try ToTree(written: letter.message, options: options)
                guard message.slot == letter.slot else {
                    unreadable("a message is about a tree of another slot than it says")
                    return nil
                }
                return .toTree(message, by: gateway)
            } catch {
                unreadable("\(error)")
                return nil
            }
        }
    }

    /// What services of trees of another node say.
    package static func read(
        _ letters: [LetterToGateway],
        options: SignallingOptions,
        unreadable: (String) -> Void
    ) -> [PartMessage] {
        letters.compactMap { letter in
            do throws(WrittenFormError) {
                return .toGateway(try ToGateway(written: letter.message, options: options), letter.fence)
            } catch {
                unreadable("\(error)")
                return nil
            }
        }
    }
}
