/// A value behind one reference: what holds it stays small, and cheap to copy. A value like any other: a copy that is
/// written to is its own.
///
/// Public for the same reason as ``OutputQueue``.
public struct Boxed<Value: Sendable>: Sendable {
    /// `@unchecked`, for the compiler cannot see that nobody else ever gets the reference, and that one which is shared is
    /// replaced before it is written to: so nobody reads what somebody writes.
    @usableFromInline final class Storage: @unchecked Sendable {
        @usableFromInline var value: Value

        @inlinable init(_ value: Value) { self.value = value }
    }

    @usableFromInline var storage: Storage

    /// Boxes a value.
    @inlinable public init(_ value: Value) { storage = Storage(value) }

    /// What is in the box.
    @inlinable public var value: Value {
        _read { yield storage.value }
        _modify {
            if !isKnownUniquelyReferenced(&storage) { storage = Storage(storage.value) }
            yield &storage.value
        }
    }
}
