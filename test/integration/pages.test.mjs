// pages.test.mjs: pages that web_fetch reads, and where their redirects may lead.
//
// runs-with: release, san
import assert from "node:assert/strict";
import http from "node:http";
import { test } from "node:test";

import { call, script, say, toolsOf, Turns } from "./turns.mjs";

/** A server whose /to/NAME redirects to /NAME; it counts what was asked. */
async function pages(t) {
  const asked = [];
  const server = http.createServer((request, answer) => {
    asked.push(request.url);
    if (request.url.startsWith("/to/")) {
      answer.writeHead(302, { location: request.url.slice("/to".length) });
      answer.end();
    } else {
      answer.writeHead(200, { "content-type": "text/plain" });
      answer.end(`this is ${request.url}`);
    }
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { asked, at: `http://127.0.0.1:${server.address().port}` };
}

test("a redirect leads nowhere that the rules would not let the call go", async (t) => {
  const { asked, at } = await pages(t);
  const turns = await Turns.open(t, {
    args: ["--insecure-loopback", "--fetch-allow", "127.0.0.1"],
  });
  const rule = (subject, permission) => ({ tool: "web_fetch", subject, permission });
  const permissions = [
    rule(`${at}/*`, "allow"),
    rule(`${at}/asks`, "ask"),
    rule(`${at}/secret`, "deny"),
  ];
  const listener = await turns.listen({ settings: { permissions } });
  const fetched = async (page) => {
    const { message } = await turns.turn(
      listener,
      script(call("web_fetch", { url: `${at}${page}` }), "step:", say("read")),
    );
    return toolsOf(message)[0];
  };
  const plain = await fetched("/to/plain");
  assert.equal(plain.state, "succeeded");
  assert.match(plain.text, /this is \/plain/);
  for (const page of ["/to/secret", "/to/asks", "/to/to/secret"]) {
    const refused = await fetched(page);
    assert.equal(refused.state, "failed", page);
    assert.match(refused.text, /a redirect leads to .*, which is not allowed/, page);
  }
  const hops = ["/to/to/secret", "/to/secret"];
  assert.deepEqual(asked, ["/to/plain", "/plain", "/to/secret", "/to/asks", ...hops]);
});
