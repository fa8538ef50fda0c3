// visits.mjs: somebody looks on at a stream for a while, in each way that there is, and goes away
// without a word. A visit begins behind what was heard before, and hands on what comes in order.
//
// A daemon that dies, or is not there, ends a visit; what it sends that nobody could use fails it.
import assert from "node:assert/strict";
import http from "node:http";

import WebSocket from "../integration/ws.mjs";

const pathOf = (stream) => `/api/v1/streams/${encodeURIComponent(stream)}/events`;
const NOT_EVENTS = ["closing", "done"];

/** One page, when there is something; {head} of an answer. */
async function poll(custody, { stream, after, limit, hear }) {
  const target = `${pathOf(stream)}?after=${after}&limit=${limit}&wait=1`;
  const answer = await custody.ask("GET", target).catch(() => null);
  if (answer === null || answer.status === 503) return {};
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.json.snapshot, undefined, "nothing that it needs was pruned");
  answer.json.events.forEach(hear);
  return { head: answer.json.head };
}

/** Until `begin`'s connection has gone, or `limit` events came, or the time is over. */
function stay({ limit, ms, hear }, begin) {
  return new Promise((resolve, reject) => {
    let left = limit;
    let gone = false;
    let timer;
    const end = (settle, value) => {
      if (gone) return;
      gone = true;
      clearTimeout(timer);
      visit.close();
      settle(value);
    };
    const take = (event) => {
      if (gone) return;
      try {
        hear(event);
        if (--left === 0) end(resolve, {});
      } catch (error) {
        end(reject, error);
      }
    };
    const visit = begin(take, () => end(resolve, {}), (error) => end(reject, error));
    timer = setTimeout(() => end(resolve, {}), ms);
  });
}

function readFrames(text, take) {
  for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
    const lines = text.slice(0, end).split("\n").filter((line) => line && !line.startsWith(":"));
    const at = (line) => line.indexOf(":");
    const fields = Object.fromEntries(
      lines.map((line) => [line.slice(0, at(line)), line.slice(at(line) + 2)]),
    );
    if (!fields.event || NOT_EVENTS.includes(fields.event)) continue;
    take({ seq: Number(fields.id), type: fields.event, data: JSON.parse(fields.data) });
  }
  return text;
}

const sse = (custody, look) =>
  stay(look, (take, away, fail) => {
    const headers = { accept: "text/event-stream", "last-event-id": String(look.after) };
    const socketPath = custody.daemon.socket;
    const request = http.get({ socketPath, path: pathOf(look.stream), agent: false, headers });
    request.on("error", away);
    request.on("response", (answer) => {
      let text = "";
      if (answer.statusCode === 503) return away();
      if (answer.statusCode !== 200) return fail(new Error(`status ${answer.statusCode}`));
      answer.setEncoding("utf8");
      answer.on("data", (chunk) => (text = readFrames(text + chunk, take)));
      answer.on("error", away);
      answer.on("close", away);
    });
    return { close: () => request.destroy() };
  });

const websocket = (custody, look) =>
  stay(look, (take, away, fail) => {
    const socket = new WebSocket(`ws+unix://${custody.daemon.socket}:/api/v1/ws`);
    socket.on("open", () => {
      socket.send(JSON.stringify({ subscribe: look.stream, after: look.after }));
    });
    socket.on("message", (text) => {
      const frame = JSON.parse(text);
      if (frame.error) return fail(new Error(JSON.stringify(frame.error)));
      if (frame.seq !== undefined && !NOT_EVENTS.includes(frame.type)) take(frame);
    });
    socket.on("error", away);
    socket.on("close", away);
    return { close: () => socket.terminate() };
  });

export const ways = { poll, sse, websocket };
