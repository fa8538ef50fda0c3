// raw-http-bodies.mjs: requests that are well framed and still not acceptable: media types, JSON of
// every bad kind, fields, names, keys, cursors. Rows as in raw-http-framing.mjs; each is answered
// by a problem with `code`.
import { bytes } from "./raw-http-lib.mjs";

const CRLF = "\r\n";

export function bodyTable(port) {
  const host = `Host: localhost:${port}`;
  const send = (method, path, headers, body) => {
    const content = bytes(body);
    const first = `${method} ${path} HTTP/1.1`;
    const head = [first, host, ...headers, `Content-Length: ${content.length}`, "", ""];
    return Buffer.concat([bytes(head.join(CRLF)), content]);
  };
  const events = (name) => `/api/v1/streams/${name}/events`;
  const json = "Content-Type: application/json";
  const append = (body, ...headers) => send("POST", events("kept"), [json, ...headers], body);
  const get = (path, ...headers) => [`GET ${path} HTTP/1.1`, host, ...headers, "", ""].join(CRLF);
  const good = '{"type":"note"}';
  const utf8 = (text) => Buffer.from(text, "utf8");
  const around = (inside) => Buffer.concat([bytes('{"type":"'), bytes(inside), bytes('"}')]);

  const media = [
    ["no type", []],
    ["text/plain", ["Content-Type: text/plain"]],
    ["a form", ["Content-Type: application/x-www-form-urlencoded"]],
    ["a multipart form", ["Content-Type: multipart/form-data; boundary=x"]],
    ["another charset", ["Content-Type: application/json; charset=latin1"]],
    ["a longer name", ["Content-Type: application/jsonp"]],
    ["a shorter name", ["Content-Type: application/"]],
    ["two types", ["Content-Type: application/json, text/plain"]],
    ["an empty type", ["Content-Type:"]],
  ].map(([name, headers]) => [
    `media: ${name}`, send("POST", events("kept"), headers, good), 415,
    { code: "unsupported_media_type" },
  ]);

  const notJson = [
    ["nothing", ""],
    ["a blank", " "],
    ["an open object", "{"],
    ["a closed object", "}"],
    ["an object closed as an array", "{]"],
    ["a key without a value", '{"type":}'],
    ["a key without a colon", '{"type" "note"}'],
    ["a value without a key", '{:"note"}'],
    ["two colons", '{"type"::"note"}'],
    ["a comma at the end", '{"type":"note",}'],
    ["a comma at the start", '{,"type":"note"}'],
    ["two commas", '{"type":"note",,"data":1}'],
    ["no comma", '{"type":"note" "data":1}'],
    ["something after the end", `${good} x`],
    ["a second document", good + good],
    ["a NUL after the end", `${good}\0`],
    ["a NUL before the start", `\0${good}`],
    ["a NUL in the middle", '{"type":\0"note"}'],
    ["single quotes", "{'type':'note'}"],
    ["a key without quotes", '{type:"note"}'],
    ["a comment", '{"type":"note"/* x */}'],
    ["a line comment", '{"type":"note"} // x'],
    ["NaN", '{"type":"note","data":NaN}'],
    ["Infinity", '{"type":"note","data":Infinity}'],
    ["-Infinity", '{"type":"note","data":-Infinity}'],
    ["undefined", '{"type":"note","data":undefined}'],
    ["True", '{"type":"note","data":True}'],
    ["nul", '{"type":"note","data":nul}'],
    ["01", '{"type":"note","data":01}'],
    ["-01", '{"type":"note","data":-01}'],
    ["1.", '{"type":"note","data":1.}'],
    [".5", '{"type":"note","data":.5}'],
    ["+1", '{"type":"note","data":+1}'],
    ["-", '{"type":"note","data":-}'],
    ["0x10", '{"type":"note","data":0x10}'],
    ["1e", '{"type":"note","data":1e}'],
    ["1e+", '{"type":"note","data":1e+}'],
    ["1_000", '{"type":"note","data":1_000}'],
    ["a real that overflows", '{"type":"note","data":1e999}'],
    ["2^63", '{"type":"note","data":9223372036854775808}'],
    ["-2^63 - 1", '{"type":"note","data":-9223372036854775809}'],
    ["a number of 10,000 digits", `{"type":"note","data":${"9".repeat(10_000)}}`],
    ["an open string", '{"type":"note'],
    ["an unknown escape", '{"type":"note","data":"\\x41"}'],
    ["a short \\u escape", '{"type":"note","data":"\\u12"}'],
    ["a \\u escape that is no number", '{"type":"note","data":"\\u12g4"}'],
    ["an escape at the end", '{"type":"note","data":"\\'],
    ["a raw line break in a string", '{"type":"note","data":"a\nb"}'],
    ["a raw tab in a string", '{"type":"note","data":"a\tb"}'],
    ["a raw NUL in a string", '{"type":"note","data":"a\0b"}'],
    ["a raw control character in a string", '{"type":"note","data":"a\x1fb"}'],
    ["a byte order mark", `\xef\xbb\xbf${good}`],
    ["UTF-16", Buffer.from(good, "utf16le")],
    ["bad UTF-8: ff", around("\xff")],
    ["bad UTF-8: a lone continuation", around("\x80")],
    ["bad UTF-8: two of three bytes", around("\xe2\x82")],
    ["bad UTF-8: overlong slash", around("\xc0\xaf")],
    ["bad UTF-8: overlong NUL", around("\xc0\x80")],
    ["bad UTF-8: a surrogate", around("\xed\xa0\x80")],
    ["bad UTF-8: above U+10FFFF", around("\xf4\x90\x80\x80")],
    ["bad UTF-8 in a key", `{"type":"note","\xff":1}`],
    ["a key twice", '{"type":"note","type":"other"}'],
    ["a key twice, once escaped", '{"type":"note","t\\u0079pe":"other"}'],
    ["a key twice, deep inside", '{"type":"note","data":[{"a":{"b":1,"b":2}}]}'],
    ["66 levels", `{"type":"note","data":${"[".repeat(66)}${"]".repeat(66)}}`],
    ["200,000 open arrays", `{"type":"note","data":${"[".repeat(200_000)}`],
    ["200,000 levels of arrays", `{"type":"note","data":${"[".repeat(2e5)}${"]".repeat(2e5)}}`],
    ["100,000 levels of objects", `{"data":${'{"a":'.repeat(1e5)}1${"}".repeat(1e5)},"type":"a"}`],
    ["200,000 levels and nothing else", "[".repeat(200_000)],
    ["300,000 values", `{"type":"note","data":[${"1,".repeat(3e5)}1]}`],
  ].map(([name, body]) => [`JSON: ${name}`, append(body), 400, { code: "bad_json" }]);

  const fields = [
    ["null", "null", /^bad_/],
    ["true", "true", /^bad_/],
    ["a number", "1", /^bad_/],
    ["a string", '"note"', /^bad_/],
    ["an array", "[]", /^bad_/],
    ["an array around it", `[${good}]`, /^bad_/],
    ["an empty object", "{}", "missing_field"],
    ["no type", '{"data":1}', "missing_field"],
    ["a field that nobody knows", '{"type":"note","date":1}', "unknown_field"],
    ["a field in capitals", '{"Type":"note"}', /_field$/],
    ["__proto__", '{"type":"note","__proto__":{}}', "unknown_field"],
    ["an empty key", '{"type":"note","":1}', "unknown_field"],
    ["a NUL in a key", '{"type":"note","data\\u0000":1}', /^(unknown_field|bad_json)$/],
    ["a key of 100 kB", `{"type":"note","${"a".repeat(100_000)}":1}`, "unknown_field"],
    ["seq", '{"type":"note","seq":7}', "unknown_field"],
  ].map(([name, body, code]) => [`field: ${name}`, append(body), 400, { code }]);

  const types = [
    ["null", "null"], ["a number", "1"], ["an array", '["note"]'], ["an object", '{"a":1}'],
    ["empty", '""'], ["a capital", '"Note"'], ["a digit first", '"1note"'],
    ["a dot first", '".note"'],
    ["a blank", '"a b"'], ["a line break", '"a\\nb"'], ["a colon", '"a:b"'], ["a slash", '"a/b"'],
    ["a NUL", '"note\\u0000"'], ["65 letters", `"${"a".repeat(65)}"`],
    ["a letter that is not ASCII", utf8('"nöte"')], ["snapshot", '"snapshot"'], ["done", '"done"'],
    ["closing", '"closing"'],
  ].map(([name, type]) => [
    `type: ${name}`,
    append(Buffer.concat([bytes('{"type":'), bytes(type), bytes("}")])),
    400,
    { code: "bad_field" },
  ]);

  const sizes = [
    ["data over 256 kB", append(`{"type":"note","data":"${"a".repeat((256 << 10) + 1)}"}`)],
    ["data that grows over 256 kB when it is written",
      append(Buffer.concat([bytes('{"type":"note","data":"'), bytes("\\u0001".repeat(50_000)),
        bytes('"}')]))],
  ].map(([name, pieces]) => [`size: ${name}`, pieces, 413, { code: "body_too_large" }]);

  const names = [
    ["a blank", "a%20b", 400], ["a line break", "a%0ab", 400], ["a tab", "a%09b", 400],
    ["a DEL", "a%7fb", 400], ["a letter that is not ASCII", "n%c3%b6te", 400],
    ["a quote", "a%22b", 400], ["a percent sign", "a%25b", 400], ["a question mark", "a%3fb", 400],
    ["a semicolon", "a;b", 400], ["201 letters", "a".repeat(201), 400],
    ["2,000 letters", "a".repeat(2000), 400],
    ["of a session", "session:ses_1", 403, "stream_reserved"],
    ["of a run", "run:run_1", 403, "stream_reserved"],
    ["of a project", "project:p", 403, "stream_reserved"],
    ["of the system", "system", 403, "stream_reserved"],
    ["of the system, encoded", "%73ystem", 403, "stream_reserved"],
  ].map(([name, encoded, status, code]) => [
    `stream: ${name}`, send("POST", events(encoded), [json], good), status,
    { code: code ?? /^bad_/ },
  ]);

  const keys = [
    ["an empty key", ""],
    ["a key of 5,000 letters", "k".repeat(5000)],
    ["a key that is not ASCII", "n\xf6"],
    ["a key with a tab", "a\tb"],
  ].map(([name, key]) => [
    name, append(good, `Idempotency-Key: ${key}`), 400, { code: "bad_request" },
  ]);

  const sse = "Accept: text/event-stream";
  const cursors = [
    ["after that is no number", get(`${events("kept")}?after=x`), 400, /^bad_/],
    ["after below -1", get(`${events("kept")}?after=-2`), 400, /^bad_/],
    ["after above 64 bits", get(`${events("kept")}?after=9223372036854775808`), 400, /^bad_/],
    ["after above the head", get(`${events("kept")}?after=4`), 400, "cursor_ahead"],
    ["after above the head, as SSE", get(`${events("kept")}?after=4`, sse), 400, "cursor_ahead"],
    ["Last-Event-ID that is no number", get(events("kept"), sse, "Last-Event-ID: x"), 400,
      "bad_cursor"],
    ["Last-Event-ID above the head",
      get(events("kept"), sse, "Last-Event-ID: 9"), 400, "cursor_ahead"],
    ["a wait of a day", get(`${events("kept")}?wait=86400`), 400, /^bad_/],
    ["a wait below zero", get(`${events("kept")}?wait=-1`), 400, /^bad_/],
    ["a stream that is not there", get(events("nobody")), 404, "not_found"],
    ["pruning without saying how far",
      `DELETE ${events("kept")} HTTP/1.1${CRLF}${host}${CRLF}${CRLF}`,
      400, /^(bad|missing)_/],
    ["pruning up to 0",
      `DELETE ${events("kept")}?through=0 HTTP/1.1${CRLF}${host}${CRLF}${CRLF}`, 400,
      /^bad_/],
    ["pruning above the head",
      `DELETE ${events("kept")}?through=4 HTTP/1.1${CRLF}${host}${CRLF}${CRLF}`,
      400, "cursor_ahead"],
    ["a retention below zero",
      send("PATCH", "/api/v1/streams/kept", [json], '{"keep_events":-1}'), 400, "bad_field"],
    ["a retention in words",
      send("PATCH", "/api/v1/streams/kept", [json], '{"keep_events":"all"}'), 400, "bad_field"],
    ["a retention that nobody knows",
      send("PATCH", "/api/v1/streams/kept", [json], '{"keep_days":3}'), 400, "unknown_field"],
  ].map(([name, pieces, status, code]) => [name, pieces, status, { code }]);

  const upgrade = ["Connection: Upgrade", "Upgrade: websocket"];
  const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
  const thirteen = "Sec-WebSocket-Version: 13";
  const ws = (...headers) => get("/api/v1/ws", ...headers);
  const sockets = [
    ["no upgrade at all", ws(), 426],
    ["another protocol", ws("Connection: Upgrade", "Upgrade: h2c"), 426],
    ["Upgrade without Connection", ws("Upgrade: websocket", key, thirteen), 426],
    ["no key", ws(...upgrade, thirteen), 400],
    ["a key that is too short", ws(...upgrade, "Sec-WebSocket-Key: YQ==", thirteen), 400],
    ["a key that is no base 64",
      ws(...upgrade, `Sec-WebSocket-Key: ${"!".repeat(24)}`, thirteen), 400],
    ["no version", ws(...upgrade, key), [[400, 426]]],
    ["version 8", ws(...upgrade, key, "Sec-WebSocket-Version: 8"), 426],
    ["another origin", ws(...upgrade, key, thirteen, "Origin: http://evil.example"), 403],
  ].map(([name, pieces, status]) => [`WebSocket: ${name}`, pieces, status, {}]);

  const rows = [
    ...media, ...notJson, ...fields, ...types, ...sizes, ...names, ...keys, ...cursors, ...sockets,
  ];
  return rows.map(([name, pieces, status, more]) => [
    name, pieces, status, { either: true, ...more },
  ]);
}

/** Against a daemon that wants a token. */
export function tokenTable(port) {
  const ask = (...headers) =>
    ["GET /api/v1/streams HTTP/1.1", `Host: localhost:${port}`, ...headers, "", ""].join(CRLF);
  return [
    ["no token", ask()],
    ["an empty Authorization", ask("Authorization:")],
    ["Bearer and nothing", ask("Authorization: Bearer")],
    ["Bearer and a blank", ask("Authorization: Bearer ")],
    ["a token that nobody has", ask(`Authorization: Bearer drv_${"a".repeat(40)}`)],
    ["a token of 10 kB", ask(`Authorization: Bearer ${"a".repeat(10_000)}`)],
    ["a token that is no text", ask("Authorization: Bearer \xff\xfe")],
    ["another scheme", ask("Authorization: Basic bG9jYWw6bG9jYWw=")],
    ["a token without its scheme", ask("Authorization: local")],
    ["a cookie", ask("Cookie: session=local")],
    ["an owner as a header", ask("X-Owner: local")],
  ].map(([name, pieces]) => [
    `token: ${name}`, pieces, 401, { code: "unauthorized", either: true },
  ]);
}
