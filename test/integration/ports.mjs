// ports.mjs: ports that a server may leave, and come back to.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import net from "node:net";

// Those from here on are given to whoever connects or asks for any: one that a server has left may
// be somebody else's when it returns. Nobody is given one of those below by chance.
const GIVEN = Number.parseInt(readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8"), 10);
const FIRST = 10_000;

/** A free port of loopback that stays free, as far as chance goes, until it is taken. */
export async function keptPort() {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (GIVEN - FIRST));
    const server = net.createServer().listen(port, "127.0.0.1");
    const free = await once(server, "listening").then(() => true, () => false);
    if (!free) continue;
    server.close();
    await once(server, "close");
    return port;
  }
}
