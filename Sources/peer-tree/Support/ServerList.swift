import ArgumentParser

/// Addresses of servers with commas between them.
struct ServerList: ExpressibleByArgument {
    var addresses: [String]

    init?(argument: String) {
        addresses = argument.split(separator: ",").map(String.init)
        if addresses.isEmpty { return nil }
    }
}
