"""The JavaScript side of the boundary to WebAssembly, made of the Swift declarations: every number is written once."""

import re
from pathlib import Path

SOURCES = Path(__file__).resolve().parent.parent / "Sources"
BOUNDARY = "PeerTreeWeb/Boundary.swift"
# What the scripts call it, and where it is declared.
ENUMERATIONS = {
    "OPTION": (BOUNDARY, "Option"),
    "INPUT": (BOUNDARY, "Input"),
    "OUTPUT": (BOUNDARY, "Output"),
    "COUNTER": (BOUNDARY, "Counter"),
    "POLICY": ("PeerTreeCore/Stream/StreamPolicy.swift", "StreamPolicy"),
}
NAMES = "PeerTreeCore/Signalling/SignallingName.swift"
LIMITS = "PeerTreeCore/Peer/PeerConfiguration.swift"
SEAL = "PeerTreeCore/Encryption/MessageSeal.swift"


def cases(text, name):
    """The cases of an enumeration by name; each has the number of its place."""
    body = re.search(rf"^(?:public )?enum {name}: UInt\d+\b[^{{]*\{{\n(.*?)^\}}", text, re.DOTALL | re.MULTILINE)
    assert body, f"there is no enumeration {name} of integers"
    found = {}
    for line in re.findall(r"^ +case (.*)$", body[1], re.MULTILINE):
        for case in line.split(", "):
            name, _, number = case.partition(" = ")
            assert re.fullmatch(r"\w+", name), f"this form of case is not read: {line}"
            assert int(number or len(found)) == len(found), f"'{name}' has another number than that of its place"
            found[name] = len(found)
    return found


def boundary_source():
    """The lines of the module `boundary.js`."""
    lines = []
    for constant, (path, name) in ENUMERATIONS.items():
        entries = ", ".join(f"{case}: {number}" for case, number in cases((SOURCES / path).read_text(), name).items())
        lines.append(f"export const {constant} = {{ {entries} }};")
    events = re.findall(r'^ +case \.\w+: ("[^"]+\[[^"]+\]")$', (SOURCES / NAMES).read_text(), re.MULTILINE)
    assert len(events) > 10, f"{NAMES} names no events"
    lines.append(f"export const EVENTS = [{', '.join(events)}];")
    # A page asks before it hands a message on to the engine, which may be in a worker.
    limit = re.search(r"var maximumMessageBytes: Int = (\d+ << \d+)$", (SOURCES / LIMITS).read_text(), re.MULTILINE)
    assert limit, f"{LIMITS} has no default of maximumMessageBytes"
    lines.append(f"export const MAXIMUM_MESSAGE_BYTES = {limit[1]};")
    seal = (SOURCES / SEAL).read_text()
    purpose = re.search(r'let purpose: StaticString = ("[^"]+")$', seal, re.MULTILINE)
    lengths = [re.search(rf"static let {name} = (\d+)$", seal, re.MULTILINE) for name in ("streamIDLength", "tagLength")]
    assert purpose and all(lengths), f"{SEAL} does not say what a sealed message consists of"
    identifier, tag = (int(length[1]) for length in lengths)
    lines.append(f"export const SEAL = {{ purpose: {purpose[1]}, tagLength: {tag}, overhead: {identifier + tag} }};")
    return lines


if __name__ == "__main__":
    print("\n".join(boundary_source()))
