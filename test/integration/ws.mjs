// ws.mjs: a WebSocket client that we did not write: the one in Debian's node-ws.
//
// Debian's own node finds it by name; a node from elsewhere does not look there, so it is named by
// its place.
import { createRequire } from "node:module";

export default createRequire(import.meta.url)("/usr/share/nodejs/ws");
