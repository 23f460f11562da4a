/// Real messages, from which inputs are bred.
enum Corpus {
    /// Engine.IO packets as WebSocket messages, and polling payloads of both revisions.
    static let engine: [[UInt8]] = [
        Array(
            #"0{"sid":"A","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#.utf8
        ),
        Array("2".utf8), Array("3".utf8), Array("2probe".utf8), Array("3probe".utf8), Array("5".utf8), Array("6".utf8),
        Array("1".utf8), Array("4hello é😀".utf8), Array("bAQIDBA==".utf8), Array("b4AQIDBA==".utf8),
        Array("4hello\u{1e}2\u{1e}4world\u{1e}bAQIDBA==\u{1e}6".utf8), Array("6:4hello10:b4AQIDBA==1:2".utf8),
        Array("4:4é😀2:40".utf8), [0, 6, 255] + Array("4hello".utf8) + [1, 5, 255, 4, 1, 2, 3, 4],
        [0, 1, 1, 255] + Array("4hello wörld".utf8), [4, 1, 2, 3, 4],
        Array(#"40{"token":"123"}"#.utf8), Array(#"42["message",1,"2",{"3":[true]}]"#.utf8),
    ]

    /// Socket.IO packets, without the Engine.IO type before them.
    static let socket: [[UInt8]] = [
        #"0"#, #"0{"token":"123"}"#, #"0/custom,{"token":"abc"}"#, #"0/custom?a=b&c=%20,"#, #"1"#, #"1/custom,"#,
        #"2["message",1,"2",{"3":[true]}]"#, #"2/custom,12["message"]"#, #"3456[1,"2",{"3":[false]}]"#,
        #"4{"message":"Invalid namespace"}"#, #"4/custom,"no""#,
        #"52-["m",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#,
        #"61-/custom,7[{"a":{"_placeholder":true,"num":0}}]"#, #"2["simple-signal[discover]",{"treeID":"cmwrk"}]"#,
        #"2["simple-signal[offer]",{"signal":{"type":"offer","sdp":"v=0\r\n"},"metadata":null,"sessionId":"X","target":"A"}]"#,
        #"2["e",-1.5e-7,1E400,"é\u00e9\ud83d\ude00\ud800",[],{},null,false]"#,
        #"2["__proto__",{"__proto__":{"a":[[[[]]]]}}]"#,
    ].map { Array($0.utf8) }

    /// Polling by script tags, query strings and addresses.
    static let forms: [[UInt8]] = [
        "d=4a%5Cnb%5C%5Cnc+%2B%C3%A9", "d=&d=1", "x=1&d=%zz", "http://[::1]:8080/x?y", "ws://localhost:3000/chat",
    ].map { Array($0.utf8) }

    /// Frames of a WebSocket: opcode, flags and payload.
    static let frames: [[UInt8]] = [
        [0x81] + Array("40".utf8), [0x01] + Array("4".utf8), [0x00] + Array("0".utf8), [0x80] + Array("{}".utf8),
        [0x89, 1],
        [0x88, 3, 0xE8], [0x82, 1, 2, 3], [0xC1, 0xF2, 0x48], [0x83],
    ]
}
