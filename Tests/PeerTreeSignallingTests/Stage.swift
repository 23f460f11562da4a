import JSON

/// Gateways at which clients can come and speak.
protocol Stage {
    var gatewayCount: Int { get }
    func isConnected(_ id: String, at gateway: Int) -> Bool
    mutating func connect(_ id: String, at gateway: Int)
    mutating func disconnect(_ id: String, at gateway: Int)
    mutating func emit(_ id: String, _ event: String, _ payload: JSONValue, at gateway: Int)
    /// The answers that a client got to its discoveries.
    func discoveries(_ id: String) -> [JSONValue]
}
