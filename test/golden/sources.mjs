// sources.mjs: an answer of server-sent events, byte for byte.
import http from "node:http";

/** An SSE answer: `begun` when its head is there, `ended` with all that it says to its end, or
 *  until `enough` says of its text that this is all. Comments, which come by time, are left out. */
export function following(daemon, path, { headers = {}, enough = () => false } = {}) {
  const options = {
    host: "127.0.0.1",
    port: daemon.port,
    path: `/api/v1/${path}`,
    agent: false,
    headers: { accept: "text/event-stream", ...headers },
  };
  const request = http.get(options);
  const begun = new Promise((resolve, reject) => {
    request.on("response", resolve);
    request.on("error", reject);
  });
  const ended = begun.then(
    (answer) =>
      new Promise((resolve) => {
        let text = "";
        const finish = () => {
          request.destroy();
          const shown = text.replace(/^:.*\n+/gm, "").trimEnd();
          resolve({ status: answer.statusCode, headers: answer.headers, text: shown });
        };
        answer.setEncoding("utf8");
        answer.on("data", (chunk) => {
          text += chunk;
          if (enough(text)) finish();
        });
        answer.on("end", finish);
      }),
  );
  return { begun, ended };
}

/** Records one to its end. */
export async function eventSource(record, daemon, path, { headers = {}, enough } = {}) {
  const answer = await following(daemon, path, { headers, enough }).ended;
  const asked = { accept: "text/event-stream", ...headers };
  record.answer("GET", `/api/v1/${path}`, answer, { headers: asked });
}
