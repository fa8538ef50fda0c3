// sources.mjs: an answer of server-sent events, byte for byte.
import http from "node:http";

/** What an SSE answer says to its end, or until `enough` says of its text that this is all. */
function read(daemon, target, headers, enough) {
  return new Promise((resolve, reject) => {
    const options = {
      host: "127.0.0.1",
      port: daemon.port,
      path: target,
      agent: false,
      headers: { accept: "text/event-stream", ...headers },
    };
    const request = http.get(options, (answer) => {
      let text = "";
      const finish = () => {
        request.destroy();
        resolve({ status: answer.statusCode, headers: answer.headers, text });
      };
      answer.setEncoding("utf8");
      answer.on("data", (chunk) => {
        text += chunk;
        if (enough(text)) finish();
      });
      answer.on("end", finish);
    });
    request.on("error", reject);
  });
}

/** Records it; comments, which come by time, are left out. */
export async function eventSource(record, daemon, path, { headers = {}, enough } = {}) {
  const target = `/api/v1/${path}`;
  const answer = await read(daemon, target, headers, enough ?? (() => false));
  const text = answer.text.replace(/^:.*\n+/gm, "").trimEnd();
  const asked = { accept: "text/event-stream", ...headers };
  record.answer("GET", target, { ...answer, text }, { headers: asked });
}
