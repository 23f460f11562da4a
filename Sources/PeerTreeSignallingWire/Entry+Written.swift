import PeerTreeCore
import PeerTreeSignalling

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

// What a client that asks for a place brings along.

extension WrittenEntry {
    init(_ entry: Entry) {
        self.init()
        wish = WrittenWish(entry.wish)
        tree = entry.tree
        if let address = entry.address { self.address = address }
        request = WrittenDiscoverRequest(entry.request)
        if let token = entry.token { self.token = WrittenResumeToken(token) }
    }
}

extension Entry {
    init(_ written: WrittenEntry, _ reader: WrittenReader) throws(WrittenFormError) {
        let request = try reader.needed(written.request, written.hasRequest, "Entry.request")
        self.init(
            wish: try Wish(reader.needed(written.wish, written.hasWish, "Entry.wish"), reader),
            tree: try reader.name(written.tree, "Entry.tree"),
            address: written.hasAddress ? written.address : nil,
            request: try PeerTreeSignalling.DiscoverRequest(request, reader),
            token: written.hasToken ? try ResumeToken(written.token, reader) : nil
        )
    }
}

// MARK: What it asked for

extension WrittenDiscoverRequest {
    init(_ request: PeerTreeSignalling.DiscoverRequest) {
        self.init()
        createsTree = request.createsTree
        if let treeID = request.treeID { self.treeID = treeID }
        isNative = request.isNative
        stripes = UInt64(clamping: request.stripes)
        parity = UInt64(clamping: request.parity)
        isEncrypted = request.isEncrypted
        if let key = request.key { self.key = Data(key.bytes) }
        if let proof = request.proof { self.proof = WrittenTreeProof(proof) }
        if let capacity = request.capacity { self.capacity = UInt64(clamping: capacity) }
        if let resumeToken = request.resumeToken { self.resumeToken = resumeToken }
        if let agent = request.agent { self.agent = agent }
        if request.place != ClaimedPlace() { place = WrittenClaimedPlace(request.place) }
    }
}

extension PeerTreeSignalling.DiscoverRequest {
    init(_ written: WrittenDiscoverRequest, _ reader: WrittenReader) throws(WrittenFormError) {
        let key = written.hasKey ? try SourceKey(written.key, "DiscoverRequest.key", reader) : nil
        self.init(
            createsTree: written.createsTree,
            treeID: written.hasTreeID ? try reader.name(written.treeID, "DiscoverRequest.tree_id") : nil,
            isNative: written.isNative,
            stripes: try reader.integer(written.stripes, "DiscoverRequest.stripes"),
            parity: try reader.integer(written.parity, "DiscoverRequest.parity"),
            isEncrypted: written.isEncrypted,
            key: key,
            proof: written.hasProof ? try TreeProof(written.proof, key, reader) : nil,
            capacity: written.hasCapacity
                ? try reader.integer(written.capacity, "DiscoverRequest.capacity") : nil,
            resumeToken: written.hasResumeToken
                ? try reader.token(written.resumeToken, "DiscoverRequest.resume_token") : nil,
            agent: written.hasAgent ? try reader.agent(written.agent, "DiscoverRequest.agent") : nil,
            place: written.hasPlace ? try ClaimedPlace(written.place, reader) : ClaimedPlace()
        )
    }
}

extension SourceKey {
    fileprivate init(_ bytes: Data, _ field: StaticString, _ reader: WrittenReader) throws(WrittenFormError) {
        guard bytes.count == Self.length, let key = SourceKey(Array(bytes)) else {
            throw reader.bad(field, "\(Self.length) bytes")
        }
        self = key
    }
}

extension WrittenTreeProof {
    init(_ proof: TreeProof) {
        self.init()
        signature = Data(proof.signature.bytes)
        host = proof.host
    }
}

extension TreeProof {
    fileprivate init(
        _ written: WrittenTreeProof,
        _ key: SourceKey?,
        _ reader: WrittenReader
    ) throws(WrittenFormError) {
        guard let key else { throw reader.bad("DiscoverRequest.key", "there, for there is a proof") }
        guard written.signature.count == Signature.length, let signature = Signature(Array(written.signature)) else {
            throw reader.bad("TreeProof.signature", "\(Signature.length) bytes")
        }
        self.init(key: key, signature: signature, host: try reader.name(written.host, "TreeProof.host"))
    }
}

// MARK: Where a member was

extension WrittenAnnouncement {
    init(_ announcement: Announcement) {
        self.init()
        socket = announcement.socket
        if let address = announcement.address { self.address = address }
        isNative = announcement.isNative
        token = WrittenResumeToken(announcement.token)
        if announcement.place != ClaimedPlace() { place = WrittenClaimedPlace(announcement.place) }
        if let agent = announcement.agent { self.agent = agent }
        if let key = announcement.key { self.key = Data(key.bytes) }
    }
}

extension Announcement {
    init(_ written: WrittenAnnouncement, _ reader: WrittenReader) throws(WrittenFormError) {
        let token = try reader.needed(written.token, written.hasToken, "Announcement.token")
        self.init(
            socket: try reader.givenName(written.socket, "Announcement.socket"),
            address: written.hasAddress ? written.address : nil,
            isNative: written.isNative,
            token: try ResumeToken(token, reader),
            place: written.hasPlace ? try ClaimedPlace(written.place, reader) : ClaimedPlace(),
            agent: written.hasAgent ? try reader.agent(written.agent, "Announcement.agent") : nil,
            key: written.hasKey ? try SourceKey(written.key, "Announcement.key", reader) : nil
        )
    }
}
