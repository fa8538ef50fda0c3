// counting.mjs: a provider for tests that knows what it was asked, and how often.
import { once } from "node:events";
import net from "node:net";
import { setTimeout as pause } from "node:timers/promises";

import { Provider } from "./providers.mjs";

const promptOf = ({ messages }) => {
  const { content } = messages.find((one) => one.role === "user");
  const text = typeof content === "string" ? content : content.map((part) => part.text).join("");
  return text.replace(/\n\n<context>[^]*$/, ""); // What the daemon tells besides: the day.
};

/** A long answer comes in pieces, as from any model. */
const PIECES = /[^]{1,16000}/gu;

export class Counting extends Provider {
  /** What it was asked, in that order; but not what was asked again since an answer did not fit a
   *  schema. */
  prompts = [];

  /** `say` gives {text, tokens, status, ms}, or a promise of it, for a prompt and how often it was
   *  asked before. */
  constructor(say = (prompt) => ({ text: `heard ${prompt}` })) {
    super();
    this.say = say;
  }

  async start(t) {
    await super.start(t);
    this.sockets = new Set();
    this.server.on("connection", (socket) => {
      this.sockets.add(socket);
      socket.on("close", () => this.sockets.delete(socket));
    });
    return this;
  }

  /** Once the daemon is dead: everything that it asked is counted. Who connects now is accepted
   *  behind all that it connected, and each of those closes when it has been read to its end. */
  async heardTheDead() {
    const last = net.connect(this.server.address().port, "127.0.0.1");
    await once(last, "connect");
    const isLast = ({ remotePort }) => remotePort === last.localPort;
    while (![...this.sockets].some(isLast)) await once(this.server, "connection");
    last.destroy();
    while (this.sockets.size > 0) await once([...this.sockets][0], "close");
  }

  /** How often that was asked; a pattern: how often anything like it. */
  count(prompt) {
    const fits = prompt instanceof RegExp ? (one) => prompt.test(one) : (one) => prompt === one;
    return this.prompts.filter(fits).length;
  }

  /** Returns when that was asked so often. What comes before it may take as long as it takes; a
   *  prompt that never comes is ended by the limit of the file. */
  async untilAsked(prompt, count) {
    while (this.count(prompt) < count) await once(this.server, "asked");
  }

  answer(request, body, answer) {
    if (request.method === "GET") {
      super.answer(request, body, answer);
      return;
    }
    const asked = JSON.parse(body);
    const prompt = promptOf(asked);
    const before = this.count(prompt);
    const again = asked.messages.some((one) => one.role === "assistant");
    if (!again) {
      this.prompts.push(prompt);
      this.server.emit("asked");
    }
    const said = this.say(prompt, before);
    if (said instanceof Promise) void said.then((given) => this.speak(answer, given));
    else void this.speak(answer, said);
  }

  async speak(answer, { text = "", tokens = 1, status = 200, ms = 0 }) {
    if (ms > 0) await pause(ms, undefined, { ref: false }); // No test waits for what never comes.
    if (answer.destroyed) return; // Who asked is gone.
    if (status !== 200) {
      answer.writeHead(status, { "content-type": "application/json" });
      answer.end(JSON.stringify({ error: { message: "the test says so" } }));
      return;
    }
    const usage = { prompt_tokens: 1, completion_tokens: tokens, total_tokens: 1 + tokens };
    const choice = (delta, finish_reason) => ({ index: 0, delta, finish_reason });
    const pieces = text.match(PIECES) ?? [""];
    const chunks = [
      ...pieces.map((content) => ({ choices: [choice({ content }, null)] })),
      { choices: [choice({}, "stop")] },
      { choices: [], usage },
    ];
    const frames = chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`);
    answer.writeHead(200, { "content-type": "text/event-stream" });
    answer.end(`${frames.join("")}data: [DONE]\n\n`);
  }
}
