// talk.mjs: what goldens of sessions share: a session whose turns are scripted.
import assert from "node:assert/strict";

/** What a call of the model took; said by the script, since a count of the prompt would tell of
 *  every word in the instructions of tools. */
export const USAGE = "usage: fresh=1000 cache_read=200 cache_write=30 output=40 reasoning=5";

/** The lines of a script, of which `call` takes its arguments as an object. */
export const call = (tool, args) => `call: ${tool} ${JSON.stringify(args)}`;
export const script = (...lines) => lines.join("\n");

export class Talk {
  constructor(record, daemon, session) {
    Object.assign(this, { record, daemon, session, stream: `session:${session}` });
  }

  /** A session that is recorded where `ask` is that of a record. */
  static async begin(record, daemon, body = {}) {
    const answer = await daemon.request("POST", "/api/v1/sessions", {
      body: { title: "A talk", root: record.root, ...body },
    });
    assert.equal(answer.status, 201, answer.text);
    return new Talk(record, daemon, answer.json.id);
  }

  ask(method, target, body, options) {
    return this.record.ask(this.daemon, method, target, body, options);
  }

  /** Sends a message without recording it. */
  async send(text, more = {}) {
    const target = `/api/v1/sessions/${this.session}/messages`;
    const answer = await this.daemon.request("POST", target, { body: { text, ...more } });
    assert.equal(answer.status, 201, answer.text);
    return answer.json;
  }

  until(type, fits) {
    return this.record.until(this.daemon, this.stream, type, fits);
  }

  ended(run) {
    return this.until("turn_finished", (data) => data.run === run);
  }

  /** Says it, and returns when it is answered: what the message's answer told. */
  async turn(text, more) {
    const sent = await this.send(text, more);
    await this.ended(sent.run);
    return sent;
  }

  events() {
    return this.record.events(this.daemon, this.stream);
  }

  /** The approval that this turn waits for. */
  asked(run, type = "approval_asked", fits = () => true) {
    const of = (data) => data.run === run && fits(data);
    return this.record.until(this.daemon, this.stream, type, of, run);
  }
}
