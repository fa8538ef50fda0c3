// raw-http-framing.mjs: requests whose first line, target, headers or framing are wrong, or right
// in an unusual way. Rows: [name, pieces, status or list of statuses, more]. What is short and ends
// in the parser is a row of test/unit/test_http_raw.c alone.
//
// One status for each answer that may come; [] means that the connection ends without one.
// `code` is the problem's. `open`: the connection stays open. `fin`: our side ends after the bytes.
const CRLF = "\r\n";

export function framingTable(port) {
  const host = `Host: localhost:${port}`;
  const request = (first, ...headers) => [first, ...headers, "", ""].join(CRLF);
  const get = (target, ...headers) => request(`GET ${target} HTTP/1.1`, host, ...headers);
  const health = (...headers) => get("/healthz", ...headers);
  const json = "Content-Type: application/json";
  const append = "POST /api/v1/streams/kept/events HTTP/1.1";
  const post = (headers, body) => request(append, host, json, ...headers) + body;
  const chunked = (body) => post(["Transfer-Encoding: chunked"], body);
  const hidden = health("X-Smuggled: 1");
  const many = (count, make) => Array.from({ length: count }, (_, i) => make(i));
  const bad = { code: "bad_request" };
  const wellFramed = { ...bad, open: true };

  const requestLines = [
    ["nothing at all", "", [], { fin: true }],
    ["one CRLF before the request", CRLF + health(), 200, { open: true }],
    ["blank lines without end", CRLF.repeat(50), 400, bad],
    ["the preface of HTTP/2", `PRI * HTTP/2.0${CRLF}${CRLF}SM${CRLF}${CRLF}`, 505],
    ["the hello of TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, bad],
    ["a method of 5,000 letters", request(`${"A".repeat(5000)} / HTTP/1.1`, host), 400, bad],
    ["TRACE", request("TRACE /healthz HTTP/1.1", host), 501, { code: "not_implemented" }],
    ["HTTP/1.0 with a Host", request("GET /healthz HTTP/1.0", host), 200],
  ];

  const targets = [
    ["no slash first", get("healthz"), 400, bad],
    ["an empty segment", get("//healthz"), 400, wellFramed],
    ["an empty segment inside", get("/api//v1/streams"), 400, wellFramed],
    ["a '..' segment", get("/api/v1/../../etc/passwd"), 400, wellFramed],
    ["a '.' segment", get("/api/./v1/streams"), 400, wellFramed],
    ["an encoded '..' segment", get("/api/%2e%2e/v1"), 400, wellFramed],
    ["a half encoded '..' segment", get("/api/.%2E/v1"), 400, wellFramed],
    ["an encoded slash", get("/api/v1/streams/a%2fb/events"), 400, wellFramed],
    ["an encoded backslash", get("/api/v1/streams/a%5cb/events"), 400, wellFramed],
    ["a backslash", get("/api\\v1\\streams"), 400, wellFramed],
    ["an encoded NUL", get("/api/v1/streams/a%00b/events"), 400, wellFramed],
    ["a percent sign without digits", get("/api/v1/streams/%zz/events"), 400, wellFramed],
    ["a percent sign at the end", get("/api/v1/streams/%"), 400, wellFramed],
    ["a percent sign and one digit", get("/api/v1/streams/%4"), 400, wellFramed],
    ["overlong UTF-8, encoded", get("/api/v1/streams/%c0%af/events"), 400, wellFramed],
    ["half a UTF-8 character, encoded", get("/api/v1/streams/%e2%82/events"), 400, wellFramed],
    ["a surrogate as UTF-8, encoded", get("/api/v1/streams/%ed%a0%80/events"), 400, wellFramed],
    ["a raw byte over 127", get("/healthz\xff"), 400, bad],
    ["a raw control character", get("/healthz\x01"), 400, bad],
    ["a raw DEL", get("/healthz\x7f"), 400, bad],
    ["a NUL", get("/healthz\0"), 400, bad],
    ["a fragment", get("/healthz#top"), 400, wellFramed],
    ["an absolute target that is ours",
      get(`http://localhost:${port}/healthz`), 200, { open: true }],
    ["an absolute target of somebody else", get("http://example.org/healthz"), [[400, 421]],
      { open: true }],
    ["an absolute target with another scheme", get("gopher://localhost/healthz"), 400, wellFramed],
    ["an asterisk with GET", get("*"), 400, wellFramed],
    ["an asterisk with OPTIONS", request("OPTIONS * HTTP/1.1", host), 204, { open: true }],
    ["a path that nobody knows", get("/api/nonsense"), 404, { open: true, code: "not_found" }],
    ["a path that is a route's prefix", get("/api/v1"), 404, { open: true }],
    ["a path with a slash too many", get("/api/v1/streams/"), 404, { open: true }],
    ["100 segments", get("/a".repeat(100)), 404, { open: true }],
    ["a target of 9,000 bytes", get(`/${"a".repeat(9000)}`), 414, { code: "url_too_long" }],
    ["a target of 1 MB", get(`/${"a".repeat(1 << 20)}`), 414, { code: "url_too_long" }],
    ["a target of 200 kB without end", `GET /${"a".repeat(200_000)}`, 414],
  ];

  const queries = [
    ["limit=0", "limit=0"],
    ["limit=201", "limit=201"],
    ["limit=-1", "limit=-1"],
    ["limit=+1", "limit=%2b1"],
    ["limit=1e1", "limit=1e1"],
    ["limit=0x10", "limit=0x10"],
    ["limit=01", "limit=01"],
    ["limit=1.0", "limit=1.0"],
    ["limit with a blank", "limit=%201"],
    ["an empty limit", "limit="],
    ["limit without a value", "limit"],
    ["a limit above 64 bits", "limit=99999999999999999999999999"],
    ["a limit that wraps around 64 bits", "limit=18446744073709551617"],
    ["Arabic digits", "limit=%d9%a1"],
    ["the same parameter twice", "limit=1&limit=1"],
    ["an unknown parameter", "limits=1"],
    ["a parameter in capitals", "LIMIT=1"],
    ["an encoded NUL in a parameter", "after=a%00b"],
    ["bad UTF-8 in a parameter", "after=%ff"],
    ["a percent sign without digits in a parameter", "after=%g1"],
    ["total=2", "total=2"],
    ["100 parameters", many(100, (i) => `a${i}=1`).join("&")],
  ].map(([name, query]) => [
    name, get(`/api/v1/streams?${query}`), 400, { open: true, code: /^bad_/ },
  ]);

  const hosts = [
    ["no Host", request("GET /healthz HTTP/1.1"), 400, bad],
    ["two Hosts", health(host), 400, bad],
    ["two Hosts that differ", health("Host: example.org"), 400, bad],
    ["an empty Host", request("GET /healthz HTTP/1.1", "Host:"), 400, bad],
    ["a Host with a blank", request("GET /healthz HTTP/1.1", "Host: local host"), 400, bad],
    ["a Host with a comma", request("GET /healthz HTTP/1.1", `${host}, ${host}`), 400, bad],
    ["a Host with a path", request("GET /healthz HTTP/1.1", `${host}/x`), 400, bad],
    ["a Host with a user",
      request("GET /healthz HTTP/1.1", `Host: me@localhost:${port}`), 400, bad],
    ["a Host with a bad port", request("GET /healthz HTTP/1.1", "Host: localhost:http"), 400, bad],
    ["a port above 65535", request("GET /healthz HTTP/1.1", "Host: localhost:65536"), 400, bad],
    ["a Host with a NUL", request("GET /healthz HTTP/1.1", "Host: local\0host"), 400, bad],
    ["another name's Host", request("GET /healthz HTTP/1.1", "Host: evil.example"), 421],
    ["our name inside another",
      request("GET /healthz HTTP/1.1", `Host: localhost.evil:${port}`), 421],
    ["another port's Host", request("GET /healthz HTTP/1.1", "Host: localhost:1"), 421],
    ["an Origin that is another",
      health("Origin: http://evil.example"), 403, { code: "bad_origin" }],
    ["an Origin that is null", health("Origin: null"), 403, { code: "bad_origin" }],
    ["an Origin that is ours", health(`Origin: http://localhost:${port}`), 200, { open: true }],
    ["an Origin twice", health(...many(2, () => `Origin: http://localhost:${port}`)), 400, bad],
  ].map(([name, pieces, status, more]) => [name, pieces, status, { either: true, ...more }]);

  const headers = [
    ["a blank before the colon", health("X-A : 1"), 400, bad],
    ["a tab before the colon", health("X-A\t: 1"), 400, bad],
    ["a header without a colon", health("X-A"), 400, bad],
    ["a header without a name", health(": 1"), 400, bad],
    ["a blank in a name", health("X A: 1"), 400, bad],
    ["a bracket in a name", health("X(A): 1"), 400, bad],
    ["a slash in a name", health("X/A: 1"), 400, bad],
    ["a byte over 127 in a name", health("X\xe4: 1"), 400, bad],
    ["a NUL in a name", health("X\0A: 1"), 400, bad],
    ["a NUL in a value", health("X-A: 1\0"), 400, bad],
    ["a control character in a value", health("X-A: \x01"), 400, bad],
    ["a DEL in a value", health("X-A: \x7f"), 400, bad],
    ["a bare CR in a value", health("X-A: 1\rX-B: 2"), 400, bad],
    ["a bare LF between headers", health("X-A: 1\nX-B: 2"), 400, bad],
    ["CR CR LF", health("X-A: 1\r"), 400, bad],
    ["a folded header", health("X-A: 1", " 2"), 400, bad],
    ["a header folded by a tab", health("X-A: 1", "\t2"), 400, bad],
    ["a fold before the first header", request("GET /healthz HTTP/1.1", ` ${host}`), 400, bad],
    ["a fold that is empty", health("X-A:", " "), 400, bad],
    ["a byte over 127 in a value", health("X-A: \xe4"), 200, { open: true }],
    ["an empty value", health("X-A:"), 200, { open: true }],
    ["blanks and tabs around a value", health("X-A: \t 1 \t "), 200, { open: true }],
    ["101 headers", health(...many(101, (i) => `X-${i}: 1`)), 431, { code: "headers_too_large" }],
    ["10,000 headers", health(...many(10_000, (i) => `X-${i}: 1`)), 431],
    ["10,000 equal headers", health(...many(10_000, () => "X: 1")), 431],
    ["a header of 20 kB", health(`X-A: ${"a".repeat(20_000)}`), 431],
    ["a header name of 20 kB", health(`${"a".repeat(20_000)}: 1`), 431],
    ["a header of 1 MB without end", `GET / HTTP/1.1${CRLF}X: ${"a".repeat(1 << 20)}`, 431],
    ["an unknown expectation", health("Expect: 200-ok"), 417, { code: "expectation_failed" }],
    ["100-continue without a body", health("Expect: 100-continue"), 200, { open: true }],
    ["Authorization twice", health("Authorization: Bearer a", "Authorization: Bearer b"), 400, bad],
    ["an upgrade to HTTP/2", health("Connection: Upgrade", "Upgrade: h2c"), 200, { open: true }],
    ["a range", health("Range: bytes=0-"), 200, { open: true }],
    ["close", health("Connection: close"), 200],
    ["close in a list of capitals", health("Connection: keep-alive, CLOSE"), 200],
  ];

  const te = "Transfer-Encoding: chunked";
  const framing = [
    ["both lengths", post(["Content-Length: 2", te], `0${CRLF}${CRLF}${hidden}`), 400, bad],
    ["both lengths, the other way",
      post([te, "Content-Length: 2"], `0${CRLF}${CRLF}${hidden}`), 400],
    ["Content-Length twice", post(["Content-Length: 2", "Content-Length: 2"], "{}"), 400, bad],
    ["Content-Length twice, different",
      post(["Content-Length: 2", "Content-Length: 9"], "{}"), 400],
    ["Transfer-Encoding twice", post([te, te], `0${CRLF}${CRLF}${hidden}`), 400, bad],
    ["chunked, then identity", post([te, "Transfer-Encoding: identity"], `0${CRLF}${CRLF}`), 400],
    ["a blank before the colon of the encoding",
      post(["Transfer-Encoding : chunked"], hidden), 400],
    ["a folded encoding", post(["Transfer-Encoding:", " chunked"], `0${CRLF}${CRLF}`), 400, bad],
    ["an encoding behind a bare LF", post(["X: 1\nTransfer-Encoding: chunked"], hidden), 400, bad],
    ["an encoding behind a bare CR", post(["X: 1\rTransfer-Encoding: chunked"], hidden), 400, bad],
    ["a length behind a NUL", post(["X: 1\0", "Content-Length: 2"], "{}"), 400, bad],
    ["chunked in HTTP/1.0", request(append.replace("1.1", "1.0"), host, json, te), 400, bad],
    ["a body of no stated length", post([], ""), 411, { code: "length_required", either: true }],
    ["a body over 1 MB is announced", post(["Content-Length: 1048577"], ""), 413],
    ["a body of 2^63 bytes is announced", post(["Content-Length: 9223372036854775808"], ""), 413],
    ["a body of 2^64 - 1 bytes is announced", post([`Content-Length: ${2n ** 64n - 1n}`], ""), 413],
    ["a body over 1 MB comes", post(["Content-Length: 2000000"], "a".repeat(2_000_000)), 413],
    ["a long body is not asked for",
      post(["Content-Length: 9999999", "Expect: 100-continue"], ""), 413],
    ["100-continue twice",
      post(["Content-Length: 2", ...many(2, () => "Expect: 100-continue")], "{}"),
      400],
  ];

  const chunkBodies = [
    ["an extension of 100 kB", `2;${"a".repeat(100_000)}${CRLF}{}${CRLF}0${CRLF}${CRLF}`],
    ["a size of 1,000 zeros", `${"0".repeat(1000)}2${CRLF}{}`],
    ["30,000 chunks of one byte", `1${CRLF} ${CRLF}`.repeat(30_000) + `0${CRLF}${CRLF}`],
  ].map(([name, body]) => [`chunk: ${name}`, chunked(body), 400, { fin: true, either: true }]);

  const chunks = [
    ["chunk: a size of 2^64", chunked(`10000000000000000${CRLF}{}`), [[400, 413]]],
    ["chunk: a size of 2^64 - 1", chunked(`ffffffffffffffff${CRLF}{}`), 413],
    ["chunk: a size over 1 MB", chunked(`100001${CRLF}`), 413, { code: "body_too_large" }],
    ["chunk: many that are over 1 MB together",
      chunked(`8000${CRLF}${" ".repeat(32768)}${CRLF}`.repeat(33)), 413],
    ["chunk: sizes in capitals and small letters",
      chunked(`A${CRLF}{"type":1,${CRLF}b${CRLF} "data": 2}${CRLF}0${CRLF}${CRLF}`), 400,
      { code: "bad_field", open: true }],
  ];

  const several = [
    ["three at once", health().repeat(3), [200, 200, 200], { open: true }],
    ["forty at once", health().repeat(40), many(40, () => 200), { open: true }],
    ["a good one, then a bad one", health() + health("X : 1"), [200, 400]],
    ["a bad one, then a good one", health("X : 1") + health(), 400],
    ["a good one after one that closes", health("Connection: close") + hidden, 200],
    ["HEAD, then GET", request("HEAD /healthz HTTP/1.1", host) + health(), [200, 200],
      { open: true, heads: [true] }],
    ["GET with a body that is a request",
      health(`Content-Length: ${hidden.length}`) + hidden, [[200, 400]],
      { either: true }],
    ["POST where only GET is, with a body that is a request",
      request("POST /healthz HTTP/1.1", host, `Content-Length: ${hidden.length}`) + hidden, 405,
      { either: true }],
    ["a byte at a time", [...health("X-A: 1")], 200, { open: true }],
    ["a byte at a time, bad", [...health("X-A : 1")], 400],
    ["a CRLF in two pieces", [health().slice(0, -3), 20, "\n", 20, CRLF], 200, { open: true }],
  ];

  const truncated = [
    ["half a first line", "GET /hea", [[400], []], { fin: true }],
    ["half a head", `GET /healthz HTTP/1.1${CRLF}${host}${CRLF}X-A: `, [[400], []], { fin: true }],
    ["half a body", post(["Content-Length: 50"], '{"type":"note",'), [[400], []], { fin: true }],
    ["a whole object in half a body", post(["Content-Length: 50"], '{"type":"note"}'), [[400], []],
      { fin: true }],
    ["half a chunk", chunked(`f${CRLF}{"type"`), [[400], []], { fin: true }],

    ["chunks without the last", chunked(`f${CRLF}{"type":"note"}${CRLF}`), [[400], []],
      { fin: true }],

    ["the last chunk without its end", chunked(`f${CRLF}{"type":"note"}${CRLF}0${CRLF}`),
      [[400], []], { fin: true }],
    ["a whole request, then our end", health(), 200, { fin: true, either: true }],
  ].map(([name, pieces, statuses, more]) => [
    `cut off: ${name}`, pieces, statuses, { ...more, alternatives: Array.isArray(statuses) },
  ]);

  const methods = [
    ["PUT where GET is", request("PUT /healthz HTTP/1.1", host, "Content-Length: 0"), 405],
    ["DELETE where GET is", request("DELETE /healthz HTTP/1.1", host), 405],
    ["PATCH where GET is", request("PATCH /metrics HTTP/1.1", host, "Content-Length: 0"), 405],
    ["DELETE of the list", request("DELETE /api/v1/streams HTTP/1.1", host), 405],
    ["POST to the list", request("POST /api/v1/streams HTTP/1.1", host, "Content-Length: 0"), 405],
    ["PUT of events",
      request(append.replace("POST", "PUT"), host, json, "Content-Length: 2") + "{}",
      405],
  ].map(([name, pieces, status]) => [
    name, pieces, status, { code: "method_not_allowed", allow: true, either: true },
  ]);

  return [
    ...requestLines, ...targets, ...queries, ...hosts, ...headers,
    ...framing, ...chunkBodies, ...chunks, ...several, ...truncated, ...methods,
  ];
}
