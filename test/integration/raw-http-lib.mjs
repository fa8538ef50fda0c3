// raw-http-lib.mjs: says bytes to a daemon and reads what comes back, without a client library that
// would mend either.
import net from "node:net";

import { scaled } from "./scale.mjs";

const DEADLINE_MS = scaled(20_000);

export const bytes = (text) => (Buffer.isBuffer(text) ? text : Buffer.from(text, "latin1"));

/** Takes whole answers off the front of `buffer`; `heads` are answers to HEAD, in order. */
export function readAnswers(buffer, heads = []) {
  const answers = [];
  let rest = buffer;
  for (;;) {
    const end = rest.indexOf("\r\n\r\n");
    if (end < 0) break;
    const [first, ...lines] = rest.subarray(0, end).toString("latin1").split("\r\n");
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(first)?.[1] ?? NaN);
    const fields = lines.map((line) => /^([^:]*):\s*(.*)$/.exec(line).slice(1));
    const headers = Object.fromEntries(fields.map(([name, value]) => [name.toLowerCase(), value]));
    const interim = status < 200;
    const bodiless = interim || status === 204 || status === 304 || heads[answers.length];
    const length = bodiless ? 0 : Number(headers["content-length"] ?? 0);
    const from = end + 4;
    if (rest.length < from + length) break;
    const body = rest.subarray(from, from + length).toString("utf8");
    rest = rest.subarray(from + length);
    if (!interim) answers.push({ status, headers, body });
  }
  return { answers, rest };
}

/**
 * Sends `pieces` (bytes; a number waits that many ms; "FIN" ends our side) and collects answers
 * until the server ends the connection or `want` of them are whole.
 */
export function exchange(port, pieces, { want = 1, heads = [] } = {}) {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    let buffer = Buffer.alloc(0);
    let ended = false;
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`no end within ${DEADLINE_MS} ms; so far: ${buffer.toString("latin1")}`));
    }, DEADLINE_MS);
    const finish = () => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ ...readAnswers(buffer, heads), ended });
    };
    socket.on("data", (chunk) => {
      buffer = Buffer.concat([buffer, chunk]);
      const { answers } = readAnswers(buffer, heads);
      // An answer that announces the end of the connection is followed to that end.
      const last = answers.at(-1);
      if (answers.length >= want && last.headers.connection !== "close") finish();
    });
    socket.on("end", () => {
      ended = true;
      finish();
    });
    socket.on("error", () => {
      ended = true;
      finish();
    });
    socket.on("connect", () => send(socket, pieces, () => ended));
  });
}

async function send(socket, pieces, over) {
  for (const piece of pieces) {
    if (over() || socket.destroyed) return;
    if (typeof piece === "number") {
      await new Promise((resolve) => setTimeout(resolve, piece));
    } else if (piece === "FIN") {
      socket.end();
    } else {
      socket.write(bytes(piece));
    }
  }
}
