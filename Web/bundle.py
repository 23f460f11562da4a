#!/usr/bin/env python3
"""Bundles the browser client: modules and WebAssembly in, two self-contained scripts out. The same input gives the same
bytes.

The modules are written in a plain subset: `import { a, b } from './x.js'` on one line, and `export` before `const`,
`class`, `function` and `async function`. Each becomes a function that is called once, in the order of its imports.
"""

import argparse
import base64
import gzip
import lzma
import re
from pathlib import Path

IMPORT = re.compile(r"^import \{ ([^}]*) \} from '(\./|\.\./)([^']+)';$")
EXPORT = re.compile(r"^export (?=(?:const|let|class|function|async function)\b)")
NAME = re.compile(r"^export (?:const|let|class|function|async function) ([A-Za-z_$][\w$]*)")
BINARY = "wasm-binary.js"


def squeezed(lines):
    """Without comments that have lines of their own, and without indentation."""
    kept, in_comment = [], False
    for line in lines:
        text = line.strip()
        if in_comment:
            in_comment = "*/" not in text
        elif text.startswith("/*"):
            in_comment = "*/" not in text
        elif text and not text.startswith("//"):
            kept.append(text)
    return kept


QUOTED = re.compile(r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`)""")
AROUND = re.compile(r" *([=<>?:;,{}()\[\]&|!*%]) *")
# A line ends there only for the reader. Behind a closing brace it may end a statement.
BREAK = re.compile(r"(?<=[;{,(\[])\n|\n(?=[})\]])")
PRIVATE = re.compile(r"#([A-Za-z]\w*)")


def compacted(text):
    """Without blanks and line breaks around punctuation, and with short names for private members. Quoted text stays as
    it is, but for what a template inserts; there are no templates within templates, and no regular expressions."""
    names = {}

    def short(found):
        return "#" + names.setdefault(found[1], f"p{len(names)}")

    def inserted(found):
        return PRIVATE.sub(short, found[0])

    parts = QUOTED.split(text)
    for index, part in enumerate(parts):
        if index % 2 == 0:
            parts[index] = PRIVATE.sub(short, BREAK.sub("", AROUND.sub(r"\1", part)))
        elif part.startswith("`"):
            assert "`" not in part[1:-1], f"a template within a template is not bundled: {part}"
            parts[index] = re.sub(r"\$\{[^}]*\}", inserted, part)
    return "".join(parts)


def wasm_source(wasm):
    """The module that carries the WebAssembly, packed with LZMA: `lzma.js` unpacks it."""
    packing = {"id": lzma.FILTER_LZMA1, "preset": 9 | lzma.PRESET_EXTREME, "lc": 3, "lp": 0, "pb": 0, "nice_len": 273}
    packed = bytearray(lzma.compress(wasm, format=lzma.FORMAT_ALONE, filters=[packing]))
    packed[5:13] = len(wasm).to_bytes(8, "little")
    return f"""
import {{ unpackLZMA }} from './lzma.js';
let compiled = null;
export function wasmModule() {{
compiled ??= WebAssembly.compile(unpackLZMA(Uint8Array.from(atob('{base64.b64encode(packed).decode()}'), (text) => text.charCodeAt(0))));
return compiled;
}}
""".strip().split("\n")


class Bundle:
    def __init__(self, folder, wasm):
        self.folder = folder
        self.wasm = wasm
        self.order = []
        self.numbers = {}

    def lines(self, name):
        if name == BINARY:
            return wasm_source(self.wasm)
        return (self.folder / name).read_text().split("\n")

    def add(self, name, under=()):
        if name in self.numbers:
            return
        assert name not in under, f"modules import each other in a circle: {' -> '.join([*under, name])}"
        body, names = [], []
        for line in squeezed(self.lines(name)):
            found = IMPORT.match(line)
            if found:
                target = str((Path("/") / Path(name).parent / (found[2] + found[3])).resolve().relative_to("/"))
                self.add(target, (*under, name))
                body.append(f"const {{ {found[1].replace(' as ', ': ')} }} = m{self.numbers[target]};")
                continue
            assert not line.startswith("import "), f"{name}: this form of import is not bundled: {line}"
            exported = NAME.match(line)
            if exported:
                names.append(exported[1])
            assert exported or not line.startswith("export "), f"{name}: this form of export is not bundled: {line}"
            body.append(EXPORT.sub("", line))
        self.numbers[name] = len(self.numbers)
        body.append(f"return {{ {', '.join(names)} }};")
        self.order.append((name, f"const m{self.numbers[name]} = (() => {{\n" + "\n".join(body) + "\n})();"))

    def text(self):
        return compacted("\n".join(code for _, code in self.order))


MODULE_END = """
m{script}.script.url = import.meta.url;
m{script}.script.type = 'module';
if (typeof WorkerGlobalScope !== 'undefined') m{worker}.serveWorker(globalThis);
export const {{ {names} }} = m{index};
export default PeerTreeClient;
"""

CLASSIC_END = """
if (typeof document !== 'undefined') m{script}.script.url = document.currentScript?.src ?? '';
if (typeof WorkerGlobalScope !== 'undefined') m{worker}.serveWorker(globalThis);
globalThis.PeerTreeClient = m{index}.PeerTreeClient;
Object.assign(globalThis.PeerTreeClient, m{index});
}})();
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--wasm", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=60_000, help="the most bytes that a script may have, gzipped")
    arguments = parser.parse_args()
    bundle = Bundle(arguments.source, arguments.wasm.read_bytes())
    bundle.add("index.js")
    index = (arguments.source / "index.js").read_text()
    names = [part.strip() for part in re.search(r"export const API = \{([^}]*)\}", index)[1].split(",") if part.strip()]
    numbers = {
        "script": bundle.numbers["script.js"],
        "worker": bundle.numbers["engine-worker.js"],
        "index": f"{bundle.numbers['index.js']}.API",
        "names": ", ".join(names),
    }
    body = bundle.text()
    arguments.output.mkdir(parents=True, exist_ok=True)
    scripts = {
        "peer-tree.js": body + MODULE_END.format(**numbers),
        "peer-tree-client.js": "(() => {\n'use strict';\n" + body + CLASSIC_END.format(**numbers),
    }
    for name, text in scripts.items():
        data = text.encode()
        packed = gzip.compress(data, 9, mtime=0)
        (arguments.output / name).write_bytes(data)
        (arguments.output / f"{name}.gz").write_bytes(packed)
        size = len(packed)
        print(f"{arguments.output / name}: {len(data)} bytes, gzipped {size}")
        assert size <= arguments.limit, f"{name} has {size} bytes gzipped, more than {arguments.limit}"
    types = (arguments.source / "peer-tree.d.ts").read_bytes()
    (arguments.output / "peer-tree.d.ts").write_bytes(types)
    (arguments.output / "peer-tree-client.d.ts").write_bytes(types)


if __name__ == "__main__":
    main()
