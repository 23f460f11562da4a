import JSON

extension TreeSummary {
    /// Reads what the server tells a source; nil if it says less than that.
    init?(_ json: JSONValue) {
        guard let viewers = json["viewers"]?.intValue, let depth = json["depth"]?.intValue else { return nil }
        self.init(viewers: viewers, depth: depth, peers: json["peers"]?.arrayValue?.compactMap { Peer($0) } ?? [])
    }
}

extension TreeSummary.Peer {
    fileprivate init?(_ json: JSONValue) {
        guard let id = json["id"]?.stringValue else { return nil }
        let isNative = json["native"]?.boolValue ?? false
        self.init(
            id: id,
            parent: json["parent"]?.stringValue,
            depth: json["depth"]?.intValue ?? 0,
            isNative: isNative,
            isAttached: !isNative || json["attached"]?.boolValue ?? true,
            lag: json["lag"]?.doubleValue
        )
    }
}
