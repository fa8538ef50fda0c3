// faults.test.mjs: whole turns with providers that break, each kind of them in each way at each
// place: the turn ends for the right reason after the right number of requests, what was heard is
// what is stored, and the session takes the next message. Many run at once, because most of
// them wait. Every cause of docs/models.md is played on each of the three interfaces, once and for
// as long as somebody asks.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "node:test";

import { BREAKS, Faulty, PLACES, shapes } from "./faulty.mjs";
import { root } from "./lib.mjs";
import { Heard, Listener, textOf, toolsOf, Turns } from "./turns.mjs";
import { kinds } from "./wires.mjs";

// --- What is said --------------------------------------------------------------------------------

/** A turn of two calls: some words and a tool, then its end. */
const LIST = { id: "c1", name: "list_files", args: { path: "." } };
const LOOK = { text: "Ünïcode: I look.", call: LIST };
const DONE = { text: "There is nothing." };
const TEXT = LOOK.text + DONE.text;
/** What breaks is asked for again soon, where the provider can say so. */
const SOON = { "retry-after-ms": "100" };
/** The first long wait for a provider that is away; a person waits eight times as long, for all
 *  tries. Where tries are counted, a person waits for longer than a busy machine takes for them. */
const WAIT_MS = 200, COUNTED_WAIT_MS = 60_000;
const OUTAGES = ["provider_unreachable", "provider_error", "rate_limited", "stream_broken",
  "timed_out"];
const triesOf = (cause) => (OUTAGES.includes(cause) ? null : 4); // null: several.

/** A break that is over with the next request; and one that isn't: plays for the first message. */
const brokenOnce = (play) => [{ answer: LOOK, ...play }, { answer: LOOK }, { answer: DONE }];
const always = (play) => Object.assign([], { always: play });
const brokenAlways = (play) => always({ answer: LOOK, ...play });

// --- The cases -----------------------------------------------------------------------------------

/** What a case expects, unless it says otherwise: the break was told once, and cured. */
const cured = (cause, more = {}) =>
  ({ state: "succeeded", told: [cause], requests: 3, text: TEXT, ...more });
const failed = (cause, more = {}) =>
  ({ state: "failed", cause, told: [cause], requests: triesOf(cause), ...more });

const causeOf = (how) => (how === "stall" ? "timed_out" : "stream_broken");

function* breaks() {
  for (const [how, { framed }] of Object.entries(BREAKS)) {
    for (const at of PLACES) {
      if (framed && ["silent", "headers"].includes(at)) continue; // Not framed before the body.
      yield [`${how} ${at}`, brokenOnce({ how, at }), cured(causeOf(how))];
    }
    const later = [{ answer: LOOK }, { answer: DONE, how, at: "text" }, { answer: DONE }];
    yield [`${how} in the second call`, later, cured(causeOf(how))];
    const never = brokenAlways({ how, at: "text", headers: SOON });
    const text = how === "reset" ? undefined : LOOK.text.slice(0, 8); // It may overtake them.
    yield [`${how} always`, never, failed(causeOf(how), { text })];
  }
}

const INJECTED = {
  "an error": ["provider_error", { error: { type: "api_error", message: "boom" } }],
  "an overload": ["provider_error", { error: { type: "overloaded_error", message: "busy" } }],
  "a rate limit": ["rate_limited", { error: { type: "rate_limit_error", message: "slow down" } }],
};

function* injections() {
  for (const at of ["silent", "text", "call"]) {
    for (const [name, [cause, data]] of Object.entries(INJECTED)) {
      const inject = `event: error\ndata: ${JSON.stringify({ type: "error", ...data })}\n\n`;
      yield [`${name} ${at}`, brokenOnce({ at, inject }), cured(cause)];
    }
    const inject = 'data: {"type": "content_block_delta", "choices": [{]}\n\n';
    yield [`broken JSON ${at}`, brokenOnce({ at, inject }), cured("bad_response")];
  }
  const inject = 'event: error\ndata: {"error": {"message": "boom"}}\n\n';
  const play = brokenAlways({ at: "call", inject, headers: SOON });
  yield ["an error always", play, failed("provider_error", { text: LOOK.text })];
  const nonsense = brokenAlways({ at: "call", inject: "data: {]\n\n", headers: SOON });
  yield ["broken JSON always", nonsense, failed("bad_response", { text: LOOK.text })];
  const limited = INJECTED["a rate limit"][1];
  const slow = `event: error\ndata: ${JSON.stringify({ type: "error", ...limited })}\n\n`;
  const slowed = brokenAlways({ at: "call", inject: slow, headers: SOON });
  yield ["a rate limit always", slowed, failed("rate_limited", { text: LOOK.text })];
  const last = [{ answer: LOOK }, { answer: DONE, at: "text", inject }, { answer: DONE }];
  yield ["an error in the second call", last, cured("provider_error")];
}

const json = { "content-type": "application/json" };
const answered = (status, message, headers = {}) =>
  ({ status, headers: { ...json, ...headers }, body: JSON.stringify({ error: { message } }) });

const STATUSES = {
  408: "provider_error",
  409: "provider_error",
  429: "rate_limited",
  500: "provider_error",
  502: "provider_error",
  503: "provider_error",
  504: "provider_error",
  529: "provider_error",
};

function* statuses() {
  const inASecond = () => new Date(Date.now() + 1000).toUTCString();
  for (const [status, cause] of Object.entries(STATUSES)) {
    for (const [form, headers, wait] of [
      ["ms", () => ({ "retry-after-ms": "40" }), [40, 45]],
      ["seconds", () => ({ "retry-after": "1" }), [1000, 1125]],
      ["a date", () => ({ "retry-after": inASecond() }), [0, 1125]],
      ["nothing", () => ({}), [1, WAIT_MS / 30 * 1.3]],
    ]) {
      const play = () => answered(Number(status), "not now", headers());
      const plays = [play, { answer: LOOK }, { answer: DONE }];
      yield [`${status} with ${form}`, plays, cured(cause, { wait })];
    }
    const never = always(answered(Number(status), "never", SOON));
    yield [`${status} always`, never, failed(cause, { text: "" })];
  }
  const later = [{ answer: LOOK }, answered(503, "not now", SOON), { answer: DONE }];
  yield ["503 in the second call", later, cured("provider_error")];
  for (const [name, play, cause] of [
    ["401", answered(401, "who are you"), "auth_failed"],
    ["403", answered(403, "not you"), "auth_failed"],
    ["400", answered(400, "what is that"), "bad_request"],
    ["404 of the address", answered(404, "nothing here"), "bad_request"],
    ["404 of the model", answered(404, "The model does not exist"), "model_unknown"],
    ["400 by a filter", answered(400, "content_policy_violation"), "refused"],
    ["413", answered(413, "too much"), "context_overflow"],
    ["400 of the length", answered(400, "maximum context length is 8"), "context_overflow"],
    ["a redirect", { status: 302, headers: { location: "http://127.0.0.1:9/" } }, "bad_request"],
    ["a long wait", answered(429, "later", { "retry-after": "120" }), "rate_limited"],
    ["no, says it", answered(503, "no", { "x-should-retry": "false" }), "provider_error"],
  ]) {
    const once = { text: "", told: [], requests: 1 };
    yield [name, [play], failed(cause, once)];
    const told = OUTAGES.includes(cause) ? null : []; // Later calls wait for their turn to ask.
    yield [`${name} always`, [play, play, play], failed(cause, { ...once, told, again: 2 })];
  }
}

const HTML = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>";

function* pages() {
  const html = { "content-type": "text/html" };
  for (const [name, play, cause] of [
    ["a page with 502", { status: 502, headers: html, body: HTML }, "provider_error"],
    ["a page with 200", { status: 200, headers: html, body: HTML }, "bad_response"],
    ["a page as a stream", { status: 200, body: HTML }, "stream_broken"],
    ["nothing with 200", { status: 200, body: "" }, "stream_broken"],
    ["JSON with 200", { status: 200, headers: json, body: '{"ok":true}' }, "bad_response"],
  ]) {
    yield [name, [play, { answer: LOOK }, { answer: DONE }], cured(cause)];
  }
}

function* oddities() {
  for (const shape of shapes) {
    const plays = [{ answer: LOOK, shape }, { answer: DONE, shape }];
    yield [shape, plays, cured("", { told: [], requests: 2 })];
  }
  const nothing = { text: "", told: [], requests: 1 }; // It was paid for: nobody asks again.
  yield ["an empty answer", [{ answer: {} }], failed("empty_response", nothing)];
  const empty = Array(3).fill({ answer: {} });
  yield ["an empty answer always", empty, failed("empty_response", { ...nothing, again: 2 })];
  const no = { answer: { text: "I will not.", declined: true } };
  const declined = { text: "I will not.", told: [], requests: 1 };
  yield ["it declines", [no], failed("refused", declined)];
  yield ["it declines always", [no, no, no], failed("refused", { ...declined, again: 2 })];
  const inject = `data: ${"x".repeat(9 << 20)}\n\n`;
  const large = { answer: LOOK, at: "call", inject };
  const too = { text: LOOK.text, told: [], requests: 1 };
  yield ["a huge event", [large], failed("response_too_large", too)];
  yield ["a huge event always", [large, large], failed("response_too_large", { ...too, again: 1 })];
}

const HALF_CALL = { ...LIST, raw: '{"path": "' };
const HALF = { answer: { text: LOOK.text, call: HALF_CALL, cut: true } };

/** Cut off at the longest length: nobody asks for the same again by himself. */
function* lengths() {
  const cut = { state: "degraded", cause: "truncated", told: [] };
  const short = { answer: { text: "half a sen", cut: true } };
  const words = { ...cut, text: "half a sen", requests: 1 };
  yield ["words that are cut off", [short], words];
  yield ["words that are cut off always", [short, short, short], { ...words, again: 2 }];
  const card = ["list_files", "failed", "truncated"];
  const once = cured("", { told: [], requests: 2, tools: [card] });
  yield ["a call that is cut off", [HALF, { answer: DONE }], once];
  const twice = { ...cut, text: LOOK.text + LOOK.text, requests: 2, tools: [card, card] };
  yield ["a call that is cut off always", [HALF, HALF], twice];
}

function* cases() {
  for (const group of [breaks, injections, statuses, pages, oddities, lengths]) yield* group();
}

// --- A case --------------------------------------------------------------------------------------

async function eventsOf(turns, session) {
  const heard = new Heard();
  for (let head = 1; heard.after < head; ) {
    const target = `/streams/session:${session}/events?after=${heard.after}&limit=1000`;
    const page = await turns.get(target);
    page.events.forEach((event) => heard.take(event));
    head = page.head;
  }
  return heard;
}

/** One session, a message that meets the fault and one that doesn't. */
class Case {
  constructor(turns, model) {
    this.turns = turns;
    this.model = model;
  }

  async say(text) {
    const target = `/sessions/${this.session}/messages?wait=60`;
    const { status, json: said, text: body } = await this.turns.ask("POST", target, { text });
    assert.equal(status, 201, body);
    return said;
  }

  async begin() {
    const { model, turns } = this;
    this.session = await turns.session({ model, root: turns.root, title: model });
  }

  /** `meanwhile` is what happens while the first message is answered. */
  async play(meanwhile = async () => {}, again = 0, ended = () => {}) {
    const { turns } = this;
    await this.begin();
    const first = this.say("look"), other = meanwhile(this.session);
    other.catch(() => {}); // What it waits for does not come behind the answer.
    await Promise.race([first, other]);
    this.first = await first;
    ended();
    this.broken = await this.answerOf(this.first);
    this.more = [];
    for (let i = 0; i < again; i++) this.more.push(await this.say("once more"));
    this.second = await this.say("and now?");
    this.well = await this.answerOf(this.second);
    this.heard = await eventsOf(turns, this.session);
    this.state = (await turns.get(`/sessions/${this.session}`)).state;
  }

  answerOf({ run }) {
    return this.turns.answer(this.session, run);
  }

  /** What the break was told as: [cause, wait] each time. */
  get told() {
    const taken = this.heard.events.filter(({ type }) => type === "output_discarded");
    return taken.map(({ data }) => [data.cause, data.wait_ms]);
  }

  check({ state, cause = "completed", told, text, wait, tools = null }) {
    assert.deepEqual([this.first.state, this.first.cause], [state, cause], this.first.note);
    // What is taken back several times before anybody could be told is told once.
    if (told) assert.deepEqual([...new Set(this.told.map(([why]) => why))], told);
    for (const [, ms] of wait ? this.told : []) {
      assert.ok(ms >= wait[0] && ms <= wait[1], `${ms} ms of ${wait}`);
    }
    if (text !== undefined) assert.equal(textOf(this.broken), text);
    for (const one of this.more) assert.deepEqual([one.state, one.cause], [state, cause]);
    const cards = toolsOf(this.broken).map((card) => [card.name, card.state, card.cause]);
    const looked = state === "succeeded" ? [["list_files", "succeeded", null]] : [];
    assert.deepEqual(cards, tools ?? looked);
    assert.equal(this.broken.cause, cause);
    assert.deepEqual([this.second.state, this.second.text], ["succeeded", "well"]);
    assert.equal(this.state, "idle");
    for (const message of [this.broken, this.well]) this.heard.agreesWith(message);
  }
}

// --- The tests -----------------------------------------------------------------------------------

const closing = [];
const whole = { after: (close) => closing.unshift(close) }; // What ends with the file.
after(async () => {
  for (const close of closing) await close();
});

async function connect(turns, name, kind, base_url, max_concurrent = 1000) {
  const body = { name, kind, base_url, max_concurrent };
  const made = await turns.ask("POST", "/providers", body);
  assert.equal(made.status, 201, made.text);
}

async function reconnect(turns, name, change) {
  const made = await turns.ask("PATCH", `/providers/${name}`, change);
  assert.equal(made.status, 200, made.text);
}

/** A connection of its own, which does not connect until somebody sets it right. */
async function unreachable(turns, provider, model, wrong) {
  const { kind, url } = provider;
  await connect(turns, model, kind, wrong);
  provider.plays.set(model, [{ answer: LOOK }, { answer: DONE }]);
  const one = new Case(turns, `${model}/${model}`);
  await one.play(async (session) => {
    const listener = await new Listener(turns, session).open();
    await listener.until("output_discarded");
    await reconnect(turns, model, { base_url: url });
    listener.close();
  });
  one.check(cured("provider_unreachable"));
  assert.equal(provider.asked.get(model).length, 3);
}

/** The same, for as long as it is asked. */
async function neverReached(turns, provider, model, wrong) {
  await connect(turns, model, provider.kind, wrong);
  const one = new Case(turns, `${model}/${model}`);
  await one.begin();
  const { state, cause, run } = await one.say("look");
  assert.deepEqual([state, cause], ["failed", "provider_unreachable"]);
  const { items } = await turns.get(`/runs/${run}/spans`);
  // How often is in test_outage_rules.c: a busy machine has time for fewer.
  assert.deepEqual(items.map((span) => [span.kind, span.tries > 1]), [["model", true]]);
  await reconnect(turns, model, { base_url: provider.url });
  assert.equal((await one.say("and now?")).text, "well");
}

async function remove(turns, name) {
  const gone = await turns.ask("DELETE", `/providers/${name}`);
  assert.equal(gone.status, 200, gone.text);
}

/** Its connection was removed: before it is asked, and while it waits in line. */
async function removed(turns, provider, model) {
  const add = () => connect(turns, model, provider.kind, provider.url, 1);
  await add();
  const one = new Case(turns, `${model}/${model}`), other = new Case(turns, `${model}/${model}`);
  await one.begin();
  await other.begin();
  await remove(turns, model);
  const unknown = await one.say("look");
  assert.deepEqual([unknown.state, unknown.cause], ["failed", "model_unknown"]);
  await add();
  provider.plays.set(model, [{ answer: LOOK, at: "text", how: "stall" }]);
  const listener = await new Listener(turns, one.session).open();
  const first = await turns.send(one.session, "look");
  await listener.until("delta");
  const waits = other.say("look");
  for (let waiting = 0; waiting === 0; ) {
    const { text } = await turns.daemon.request("GET", "/metrics", {});
    waiting = Number(/^drover_model_calls_waiting (\d+)$/m.exec(text)[1]);
  }
  await remove(turns, model);
  const changed = await waits;
  assert.deepEqual([changed.state, changed.cause], ["failed", "connection_changed"]);
  await turns.ask("POST", `/sessions/${one.session}/stop`);
  await listener.ended(first.run);
  listener.close();
  await add();
  assert.equal((await one.say("and now?")).text, "well");
  assert.equal((await other.say("and now?")).text, "well");
}

async function usedUp(turns, provider, model, play) {
  await connect(turns, model, provider.kind, provider.url);
  provider.plays.set(model, [play]);
  const one = new Case(turns, `${model}/${model}`);
  await one.begin();
  for (let times = 0; times < 2; times++) {
    const { state, cause } = await one.say("look");
    assert.deepEqual([state, cause], ["failed", "quota"]);
    assert.equal(provider.asked.get(model).length, 1, "nobody asks a second time");
  }
  await reconnect(turns, model, { key: "sk-another-account" });
  assert.equal((await one.say("and now?")).text, "well");
}

const AT_ONCE = 40; // Of each kind.

/** Of each kind of provider, in a daemon of their own. `more` adds tests to `cases`. */
function describeAll(title, { args = [], waitMs = WAIT_MS }, cases, more = () => {}) {
  describe(title, { concurrency: 3 }, () => {
    let turns;
    before(async () => {
      const waits = ["--model-wait", String(waitMs)];
      turns = await Turns.open(whole, { args: ["--insecure-loopback", ...waits, ...args] });
    });
    for (const kind of kinds) {
      describe(kind, { concurrency: AT_ONCE }, () => {
        let provider;
        before(async () => {
          provider = await new Faulty(kind).start(whole);
        });
        for (const [name, plays, expected] of cases) {
          it(name, async () => {
            const model = name.replaceAll(/\W+/g, "-").toLowerCase();
            const connection = `${kind}-${model}`; // What one case breaks is away for others.
            const left = [...plays];
            if (plays.always) left.shift = () => plays.always;
            provider.plays.set(model, left);
            await connect(turns, connection, kind, provider.url);
            const one = new Case(turns, `${connection}/${model}`);
            const { again = 0, requests } = expected;
            await one.play(undefined, again, () => delete left.shift);
            one.check(expected);
            const { length } = provider.asked.get(model);
            if (requests) assert.equal(length, requests + again + 1);
            else assert.ok(length > 2, `${length} requests`);
            await remove(turns, connection);
          });
        }
        more(kind, () => [turns, provider]);
      });
    }
  });
}

/** Causes of the tests behind the table; the last one takes 10,000 calls: test/unit has it. */
const ALONE = ["provider_unreachable", "quota", "model_unknown", "connection_changed"];
ALONE.push("too_many_calls");
const QUOTAS = [
  ["429", 429, "You exceeded your current quota"],
  ["402", 402, "pay first"],
  ["400", 400, "Your credit balance is too low"],
];

// Nobody else is at work while a provider's silence is measured.
const IMPATIENT = ["--model-answer", "2", "--model-stall", "2"];
const all = [...cases()];
const stalls = ([name]) => name.startsWith("stall ");
const counted = ([, plays, { requests }]) => plays.always !== undefined && requests !== null;
const others = all.filter((one) => !stalls(one) && !counted(one));
describeAll("a provider that falls silent", { args: IMPATIENT }, all.filter(stalls));
describeAll("a provider that is asked so often", { waitMs: COUNTED_WAIT_MS }, all.filter(counted));
describeAll("a provider that breaks", {}, others, (kind, get) => {
  it("nobody listens, always", () =>
    neverReached(...get(), `never-${kind}`, "http://127.0.0.1:1"));
  for (const [name, status, words] of QUOTAS) {
    const play = answered(status, words);
    it(`its quota is used up, ${name}`, () => usedUp(...get(), `poor-${kind}-${status}`, play));
  }
});

// In the daemons above nobody waits for as long as a busy machine takes for that.
describe("a provider that cannot be reached, then is set right", { concurrency: 3 }, () => {
  for (const kind of kinds) {
    it(kind, async () => {
      const turns = await Turns.open(whole);
      const provider = await new Faulty(kind).start(whole);
      await Promise.all([
        unreachable(turns, provider, "plain", provider.url.replace("http:", "https:")),
        // A port that was free a moment ago may be somebody else's now.
        unreachable(turns, provider, "closed", "http://127.0.0.1:1"),
      ]);
    });
  }
});

// One after the other, in a daemon where nothing else waits for a place.
describe("a connection that is removed", { concurrency: 1 }, () => {
  for (const kind of kinds) {
    it(kind, async () => {
      const turns = await Turns.open(whole);
      await removed(turns, await new Faulty(kind).start(whole), "gone");
    });
  }
});

it("every cause of docs/models.md is played", () => {
  const text = readFileSync(path.join(root, "docs/models.md"), "utf8");
  const section = text.split(/^## /m).find((one) => one.startsWith("When it fails"));
  const causes = [...section.matchAll(/^\| `(\w+)` \|/gm)].map(([, cause]) => cause);
  const played = new Set([...ALONE, ...all.map(([, , { cause }]) => cause)]);
  assert.ok(causes.length > 5);
  assert.deepEqual(causes.filter((cause) => !played.has(cause)), []);
});
