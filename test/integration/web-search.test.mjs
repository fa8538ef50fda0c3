// web-search.test.mjs: web_search by each form of endpoint, and who gets it.
//
// runs-with: release, san
import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { test } from "node:test";

import { begin } from "./jobs-cli.mjs";
import { run, scratch } from "./lib.mjs";
import { Provider } from "./providers.mjs";
import { call, say, script, toolsOf, Turns } from "./turns.mjs";
import { Workflows } from "./workflows.mjs";

const KEY = "secret-search-key";
const FOUND = [
  { title: "Sheep", url: "https://a.test/sheep", text: "All about <b>sheep</b> &amp; wool" },
  { title: "No page", url: "javascript:alert(1)", text: "never shown" },
  { title: "Goats", url: "http://b.test/goats?x=1", text: "Also goats" },
  { title: "More", url: "http://c.test/", text: "beyond the limit" },
];

/** An endpoint that answers as each engine does, and notes what it was asked. */
class Endpoint {
  asked = [];
  status = 200;
  body = null;

  async start(t) {
    this.server = http.createServer(async (request, answer) => {
      let body = "";
      for await (const piece of request) body += piece;
      this.asked.push({ url: request.url, method: request.method, body,
        headers: request.headers });
      const [form] = request.url.slice(1).split(/[/?]/);
      const results = (member) =>
        FOUND.map(({ title, url, text }) => ({ title, url, [member]: text, score: 1 }));
      const said = form === "brave" ? { web: { results: results("description") } }
        : { results: results("content") };
      answer.writeHead(this.status, { "content-type": "application/json", location: "/moved" });
      answer.end(this.body ?? JSON.stringify(said));
    });
    this.server.listen(0, "127.0.0.1");
    await once(this.server, "listening");
    t.after(() => this.server.close());
    this.at = `127.0.0.1:${this.server.address().port}`;
    return this;
  }

  get last() {
    return this.asked.at(-1);
  }
}

function keyFile(t) {
  const file = path.join(scratch(t), "key");
  writeFileSync(file, `${KEY}\n`, { mode: 0o600 });
  return file;
}

const argsFor = (t, endpoint, form, allow = endpoint.at) => [
  "--insecure-loopback", "--fetch-allow", allow,
  "--search", `${form}=http://${endpoint.at}/${form}`,
  ...(form === "searxng" ? [] : ["--search-key-file", keyFile(t)]),
];

async function search(turns, input = { query: "sheep & goats", limit: 2 }) {
  const listener = await turns.listen();
  const { message } = await turns.turn(listener, script(call("web_search", input), say("so")));
  listener.close();
  const [card] = toolsOf(message);
  return card;
}

const asks = {
  searxng({ url, method, headers }) {
    assert.equal(url, "/searxng?q=sheep%20%26%20goats&format=json");
    assert.deepEqual([method, headers.authorization], ["GET", undefined]);
  },
  brave({ url, method, headers }) {
    assert.equal(url, "/brave?q=sheep%20%26%20goats&count=2");
    assert.deepEqual([method, headers["x-subscription-token"]], ["GET", KEY]);
  },
  tavily({ url, method, headers, body }) {
    assert.deepEqual([url, method, headers.authorization], ["/tavily", "POST", `Bearer ${KEY}`]);
    assert.deepEqual(JSON.parse(body), { query: "sheep & goats", max_results: 2 });
  },
};

for (const [form, check] of Object.entries(asks)) {
  test(`web_search asks ${form} and answers title, url and snippet`, async (t) => {
    const endpoint = await new Endpoint().start(t);
    const turns = await Turns.open(t, { args: argsFor(t, endpoint, form) });
    const card = await search(turns);
    assert.equal(card.state, "succeeded", card.text);
    assert.deepEqual(JSON.parse(card.text), [
      { title: "Sheep", url: "https://a.test/sheep", snippet: "All about sheep & wool" },
      { title: "Goats", url: "http://b.test/goats?x=1", snippet: "Also goats" },
    ]);
    check(endpoint.last);
    assert.ok(!turns.daemon.log.includes(KEY), "the log");
  });
}

test("an endpoint that refuses, moves or talks nonsense is a failed call", async (t) => {
  const endpoint = await new Endpoint().start(t);
  const turns = await Turns.open(t, { args: argsFor(t, endpoint, "brave") });
  const fails = async (words, more = {}) => {
    Object.assign(endpoint, { status: 200, body: null, ...more });
    const card = await search(turns);
    assert.deepEqual([card.state, card.cause], ["failed", "fetch_failed"]);
    assert.match(card.text, words);
    assert.ok(!card.text.includes(KEY));
  };
  await fails(/answered 401: its key is not accepted/, { status: 401 });
  await fails(/answered 302/, { status: 302 });
  assert.equal(endpoint.asked.length, 2, "no redirect is followed");
  await fails(/did not answer with JSON/, { body: "<html>" });
  endpoint.body = "{}";
  endpoint.status = 200;
  assert.equal((await search(turns)).text, "[]");
  const wrong = await search(turns, { query: "a", limit: 21 });
  assert.deepEqual([wrong.state, wrong.cause], ["failed", "bad_arguments"]);
});

test("the address guard of web_fetch holds for the endpoint, too", async (t) => {
  const endpoint = await new Endpoint().start(t);
  const turns = await Turns.open(t, { args: argsFor(t, endpoint, "searxng", "10.1.1.1") });
  const card = await search(turns);
  assert.deepEqual([card.state, card.cause], ["failed", "fetch_failed"]);
  assert.equal(endpoint.asked.length, 0);
});

test("without an endpoint nobody is offered web_search, and a start says so", async (t) => {
  const flows = await Workflows.open(t);
  const provider = await new Provider().start(t);
  await flows.connect(provider, "kept");
  const file = flows.write("look.js", `export const meta = { name: 'look', description: 'x' };
return await agent('look', { model: 'kept/small', tools: ['WebSearch', 'WebFetch'] });`);
  const launched = await flows.launch({ scriptPath: file });
  assert.match(launched.warning, /no web search is configured/);
  await flows.outcome(launched.runId);
  const { tools } = JSON.parse(provider.last.body);
  assert.deepEqual(tools.map((one) => one.function.name), ["web_fetch"]);
  const research = await begin(t, flows.daemon,
    ["workflow", "plan", "deep-research", "--args", '{"query":"why?"}']).ended;
  assert.match(research.stdout, /^warning +no web search is configured.* with web_fetch only$/m);
});

test("types and tools by the name WebSearch get ours", async (t) => {
  const endpoint = await new Endpoint().start(t);
  const flows = await Workflows.open(t, { args: argsFor(t, endpoint, "searxng").slice(1) });
  flows.write(".claude/agents/finder.md",
    "---\nname: finder\ndescription: x\ntools: WebSearch, WebFetch\n---\nFind.\n");
  const asked = JSON.stringify(script(call("web_search", { query: "sheep", limit: 1 }), say("so")));
  const file = flows.write("look.js", `export const meta = { name: 'look', description: 'x' };
return [await agent(${asked}, { agentType: 'finder' }),
  await agent(${asked}, { tools: ['WebSearch'] })];`);
  const launched = await flows.launch({ scriptPath: file });
  assert.equal("warning" in launched, false);
  const { end, run: id } = await flows.outcome(launched.runId);
  assert.deepEqual(end.result, ["so", "so"]);
  assert.equal(endpoint.asked.length, 2);
  const { items } = await flows.get(`/runs/${id}/spans?below=1&kind=tool`);
  assert.deepEqual(items.map(({ name, state }) => [name, state]),
    [["web_search", "succeeded"], ["web_search", "succeeded"]]);
});

test("serve refuses a search engine that it does not know, and one without its key", async (t) => {
  const refused = async (args, words) => {
    const listen = ["--listen", "127.0.0.1:0"];
    const { code, stderr } = await run(["serve", "--data", scratch(t), ...listen, ...args]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, words);
  };
  await refused(["--search", "google"], /none of searxng=URL, brave, tavily/);
  await refused(["--search", "provider=http://a.test/"], /provider has no address/);
  await refused(["--search", "searxng"], /searxng needs its address/);
  await refused(["--search", "brave"], /no key; set BRAVE_API_KEY, or --search-key-file/);
});
