@testable import PeerTreeSignalling

/// Which of several services has which slot, in which term, and to whom that is news.
struct SlotRoutes {
    /// By the slot's number.
    private var routes: [SlotOwner]
    /// What each gateway has yet to hear of.
    private var news: [Set<Slot>]
    /// What each service has lost and does not know.
    private var lost: [Set<Slot>]
    private(set) var newestTerm: SlotTerm = 1

    init(services: Int, gateways: Int) {
        routes = (0..<Slot.count).map { SlotOwner(NodeSession(UInt32($0 % services)), term: 1) }
        news = Array(repeating: Slot.all, count: gateways)
        lost = Array(repeating: [], count: services)
    }

    var isQuiet: Bool { news.allSatisfy(\.isEmpty) && lost.allSatisfy(\.isEmpty) }

    func service(of slot: Slot) -> Int { Int(routes[Int(slot.number)].node.number) }

    func term(of slot: Slot) -> SlotTerm { routes[Int(slot.number)].term }

    func terms(of service: Int) -> [Slot: SlotTerm] {
        var terms: [Slot: SlotTerm] = [:]
        for (number, route) in routes.enumerated() where route.node.number == UInt32(service) {
            terms[Slot(number: UInt16(number))] = route.term
        }
        return terms
    }

    /// A service begins anew, with the slots it has and whatever it was to hear of.
    mutating func beginTerms(of service: Int) {
        let mine = Set(Slot.all.filter { self.service(of: $0) == service })
        lost[service] = []
        _ = begin(mine, service)
    }

    /// - Returns: the slots that were not the service's, with their new terms.
    ///
    /// - Parameter inherited: The term in which the owner before it gave the slots over with all that it knew.
    mutating func move(_ slots: Set<Slot>, to service: Int, inherited: SlotTerm? = nil) -> [Slot: SlotTerm] {
        let moved = slots.filter { self.service(of: $0) != service }
        for slot in moved { lost[self.service(of: slot)].insert(slot) }
        return begin(moved, service, inherited)
    }

    private mutating func begin(
        _ slots: Set<Slot>,
        _ service: Int,
        _ inherited: SlotTerm? = nil
    ) -> [Slot: SlotTerm] {
        newestTerm = newestTerm.next
        let owner = SlotOwner(NodeSession(UInt32(service)), term: newestTerm, inherited: inherited)
        for slot in slots { routes[Int(slot.number)] = owner }
        for gateway in news.indices { news[gateway].formUnion(slots) }
        return Dictionary(uniqueKeysWithValues: slots.map { ($0, newestTerm) })
    }

    /// A gateway that is new has heard of nobody.
    mutating func forget(_ gateway: Int) {
        news[gateway] = Slot.all
    }

    /// What a gateway hears of now, if there is anything.
    mutating func takeNews(of gateway: Int) -> [Slot: SlotOwner] {
        defer { news[gateway] = [] }
        return Dictionary(uniqueKeysWithValues: news[gateway].map { ($0, routes[Int($0.number)]) })
    }

    mutating func takeLost(by service: Int) -> Set<Slot> {
        defer { lost[service] = [] }
        return lost[service]
    }
}
