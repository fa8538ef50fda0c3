// sse.mjs: one SSE connection, frame by frame.
import http from "node:http";

/** Opens a stream; resolves with {status, headers, next, close}. next() gives the next frame
 * {id, event, data}, or undefined at the end. */
export function openSse(daemon, target, headers = {}) {
  return new Promise((resolve, reject) => {
    const request = http.get(
      {
        host: "127.0.0.1",
        port: daemon.port,
        path: target,
        agent: false,
        headers: { accept: "text/event-stream", ...headers },
      },
      (answer) => {
        const frames = [];
        const waiting = [];
        let text = "";
        let ended = false;
        const settle = () => {
          while (waiting.length > 0 && (frames.length > 0 || ended))
            waiting.shift()(frames.shift());
        };
        answer.setEncoding("utf8");
        answer.on("data", (chunk) => {
          text += chunk;
          for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
            const fields = frame(text.slice(0, end));
            if (fields !== undefined) frames.push(fields);
          }
          settle();
        });
        const finish = () => {
          ended = true;
          settle();
        };
        answer.on("close", finish);
        answer.on("error", finish);
        resolve({
          status: answer.statusCode,
          headers: answer.headers,
          next: () =>
            new Promise((take) => {
              waiting.push(take);
              settle();
            }),
          close: () => request.destroy(),
          rest: () => text,
        });
      },
    );
    request.on("error", reject);
  });
}

/** Undefined: comments alone, which are no frame. */
function frame(text) {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith(":"));
  if (lines.length === 0) return undefined;
  const at = (line) => line.indexOf(":");
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, at(line)), line.slice(at(line) + 2)]),
  );
}
