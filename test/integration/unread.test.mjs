// unread.test.mjs: answers that their clients do not read share one bound over all connections, and
// each of them arrives whole once it is read. Over the Unix socket: the kernel keeps little of what
// nobody reads there, and megabytes for each connection over TCP.
//
// runs-with: release
import assert from "node:assert/strict";
import net from "node:net";
import { test } from "node:test";

import { Daemon, scratch } from "./lib.mjs";

const EVENT = 15_000;
const BOUND = 32 << 20; // Unread answers, from which on no request begins behind another one.
const cases = [
  { connections: 100, pages: 20, events: 4 },
  { connections: 40, pages: 12, events: 60 }, // Pages of almost a megabyte.
];

/** A client that asks for all pages at once and reads nothing until `read` is called; then
 *  `pages` becomes their texts. */
async function client(t, path, target, pages) {
  const socket = net.connect({ path });
  t.after(() => socket.destroy());
  await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  socket.pause();
  socket.write(`GET ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`.repeat(pages));
  const read = async () => {
    const chunks = [];
    let length = 0, whole = 0;
    for await (const chunk of socket) {
      chunks.push(chunk);
      length += chunk.length;
      if (whole === 0) {
        const start = Buffer.concat(chunks).toString("latin1");
        const end = start.indexOf("\r\n\r\n");
        if (end >= 0) whole = pages * (end + 4 + Number(/content-length: (\d+)/i.exec(start)[1]));
      }
      if (whole > 0 && length >= whole) break;
    }
    return Buffer.concat(chunks).toString("latin1");
  };
  return { read };
}

const title = ({ connections, pages, events }) =>
  `${connections} clients with ${pages} unread pages of ${events} events each stay under the bound`;

for (const one of cases) test(title(one), async (t) => {
  const { connections, pages, events } = one;
  const target = `/api/v1/streams/pages/events?limit=${events}`;
  const daemon = new Daemon({ data: scratch(t), args: ["--insecure-loopback"] });
  t.after(() => daemon.kill());
  await daemon.start();
  const text = "x".repeat(EVENT);
  for (let i = 0; i < events; i++) await daemon.append("pages", { type: "t", data: { text } });
  const page = (await daemon.request("GET", target)).text.length;
  assert.ok(page > events * EVENT && page * connections * pages > 3 * BOUND, String(page));

  const metric = async (name) => {
    const { text: all } = await daemon.request("GET", "/metrics", { local: true });
    return Number(new RegExp(`^drover_${name} (\\d+)$`, "m").exec(all)[1]);
  };
  const clients = [];
  for (let i = 0; i < connections; i++) clients.push(await client(t, daemon.socket, target, pages));
  // Each connection may have one page, and the request that reaches the bound is answered, too.
  const most = BOUND + (1 << 20) + connections * page;
  let unread = 0, before = -1;
  for (let sent = 0, same = 0; same < 20; ) {
    unread = await metric("http_unread_bytes");
    sent = await metric("http_requests_total");
    assert.ok(unread <= most, `${unread} bytes wait, ${most} are allowed`);
    same = sent - before <= 2 ? same + 1 : 0; // Nobody but this loop is read any more.
    before = sent;
  }
  assert.ok(unread > connections * 1000, `only ${unread} bytes wait: somebody reads`);

  const texts = await Promise.all(clients.map(({ read }) => read()));
  for (const all of texts) {
    assert.equal(all.split("HTTP/1.1 200 OK").length - 1, pages);
    assert.equal(all.split(text).length - 1, pages * events);
  }
});
