// load.mjs: changes titles of sessions over the Unix socket, at a rate; each is an event of
// `owner:NAME`. A process of its own: `node load.mjs SOCKET RATE SECONDS ID…`
import http from "node:http";
import process from "node:process";

const [socketPath, rate, seconds, ...ids] = process.argv.slice(2);
const agent = new http.Agent({ keepAlive: true, maxSockets: 32 });
const began = performance.now(), ends = began + Number(seconds) * 1000;
let sent = 0, done = 0;

function change(n) {
  const body = JSON.stringify({ title: `title ${n}` });
  const headers = { "content-type": "application/json", "content-length": body.length };
  const request = http.request({ socketPath, agent, method: "PATCH", headers,
    path: `/api/v1/sessions/${ids[n % ids.length]}` }, (answer) => {
    answer.resume();
    answer.on("end", () => done++);
  });
  request.on("error", () => {});
  request.end(body);
}

const timer = setInterval(() => {
  const now = performance.now();
  const due = Math.floor(((Math.min(now, ends) - began) / 1000) * Number(rate));
  while (sent < due && sent - done < 1000) change(sent++);
  if (now < ends || sent > done) return;
  clearInterval(timer);
  agent.destroy();
  process.stdout.write(`${(done / ((now - began) / 1000)).toFixed(0)}\n`);
}, 5);
