// settings.test.mjs: models, settings, and the commands for them.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { Daemon, scratch } from "./lib.mjs";
import { keptPort } from "./ports.mjs";
import {
  Provider,
  add,
  api,
  base,
  start,
  until,
} from "./providers.mjs";

test("models are listed with what is known of them", async (t) => {
  const provider = await new Provider().start(t);
  const prices = path.join(scratch(t), "prices.json");
  const row = { window: 777, max_output: 99, vision: true, tools: false, input: 1, output: 2 };
  writeFileSync(prices, JSON.stringify({ models: { "p/small": row } }));
  const daemon = await start(t, { args: ["--prices", prices] });
  await add(daemon, { name: "p", kind: "openai", base_url: provider.url, models: ["z", "small"] });
  await add(daemon, { name: "gone", kind: "openai", base_url: "http://127.0.0.1:9" });
  const { json } = await api(daemon, "GET", "/api/v1/models");
  const of = Object.fromEntries(json.items.map((item) => [item.id, item]));
  assert.deepEqual(Object.keys(of), ["p/gpt-5-mini-x", "p/small", "p/z"]);
  assert.deepEqual(of["p/small"], {
    id: "p/small",
    provider: "p",
    window: 777,
    window_from: "prices",
    max_output: 99,
    vision: true,
    tools: false,
    price: { fresh: 1, cache_read: null, cache_write: null, output: 2 },
    refuses: [],
  });
  assert.deepEqual([of["p/z"].window, of["p/z"].window_from], [32768, "default"]);
  assert.deepEqual(of["p/z"].price.output, null);
  assert.deepEqual(
    [of["p/gpt-5-mini-x"].window, of["p/gpt-5-mini-x"].window_from],
    [5000, "provider"],
  );
  await api(daemon, "PATCH", `${base}/p`, { window: 12345 });
  const paged = [];
  for (let after = ""; after !== null; ) {
    const page = await api(daemon, "GET", `/api/v1/models?limit=1${after && `&after=${after}`}`);
    paged.push(...page.json.items);
    after = page.json.next;
  }
  assert.deepEqual(paged.map((item) => item.id), Object.keys(of));
  assert.ok(paged.every((item) => item.window === 12345 && item.window_from === "connection"));
});

test("settings are changed one by one, taken back, and outlive the daemon", async (t) => {
  const daemon = await start(t);
  const target = "/api/v1/settings";
  const nothing = {
    default_model: null,
    review_model: null,
    title_model: null,
    instructions: null,
    effort: null,
    window: null,
    public_url: null,
    notify_webhook: null,
    notify_command: null,
    notify_on: null,
    model_aliases: null,
    changed_ms: null,
    model: "scripted/demo",
    model_from: "option",
  };
  assert.deepEqual((await api(daemon, "GET", target)).json, nothing);
  await add(daemon, { name: "p", kind: "scripted" });
  const patch = async (body) => {
    const answer = await api(daemon, "PATCH", target, body);
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual((await api(daemon, "GET", target)).json, answer.json);
    return answer.json;
  };
  await patch({ instructions: 'Say "no" \u0001 more.\n' });
  const all = await patch({ default_model: "p/m/x", effort: "high", window: 2048 });
  assert.deepEqual(
    [all.instructions, all.default_model, all.effort, all.window, all.model, all.model_from],
    ['Say "no" \u0001 more.\n', "p/m/x", "high", 2048, "p/m/x", "setting"],
  );
  assert.ok(all.changed_ms > 0);
  const before = (await api(daemon, "GET", target)).text;
  for (const [body, detail] of [
    [{ default_model: "none/m" }, /there is no provider 'none'/],
    [{ default_model: "p" }, /must be CONNECTION\/MODEL/],
    [{ default_model: "p/" }, /must be CONNECTION\/MODEL/],
    [{ default_model: "p/a b" }, /must be CONNECTION\/MODEL/],
    [{ default_model: 1 }, /must be CONNECTION\/MODEL/],
    [{ instructions: "x".repeat(65537) }, /at most 65536 bytes/],
    [{ instructions: "\u0000" }, /without/],
    [{ effort: "extreme", window: 4096 }, /low, medium or high/],
    [{ window: 1023 }, /from 1024/],
    [{ window: "9000" }, /an integer/],
    [{ temperature: 1 }, /"temperature" is unknown/],
    [[], /an object is expected/],
  ]) {
    const answer = await api(daemon, "PATCH", target, body);
    assert.equal(answer.status, 400, JSON.stringify(body).slice(0, 80));
    assert.match(answer.json.detail, detail);
  }
  assert.equal((await api(daemon, "GET", target)).text, before);

  const kept = await api(daemon, "DELETE", `${base}/p`);
  assert.equal(kept.status, 409);
  assert.match(kept.json.detail, /default_model is "p\/m\/x"/);
  await daemon.kill();
  await daemon.start();
  assert.equal((await api(daemon, "GET", target)).text, before);
  const reviewed = await patch({ review_model: "p/judge" });
  assert.equal(reviewed.review_model, "p/judge");
  const lost = await api(daemon, "PATCH", target, { review_model: "nobody/judge" });
  assert.match(lost.json.detail, /"review_model": there is no provider 'nobody'/);
  const none = { default_model: null, instructions: null, effort: null, window: null };
  none.review_model = null;
  const back = await patch(none);
  await patch({ model_aliases: { sonnet: "p/m/x" } });
  const named = await api(daemon, "DELETE", `${base}/p`);
  assert.equal(named.status, 409);
  assert.match(named.json.detail, /model_aliases has "sonnet": "p\/m\/x": change that first/);
  await patch({ model_aliases: null });
  assert.deepEqual(back, nothing);
  assert.equal((await api(daemon, "DELETE", `${base}/p`)).status, 200);
});

test("to be refused by servers that are not there takes no library", async (t) => {
  const env = { DROVER_MODEL: "" };
  const daemon = await start(t, { data: scratch(t), env });
  assert.match(daemon.log, /no model is known/);
  assert.equal((await api(daemon, "GET", "/api/v1/models")).status, 200);
  const libraries = readFileSync(`/proc/${daemon.child.pid}/maps`, "utf8");
  assert.doesNotMatch(libraries, /libcurl/);
});

test("the default model: setting, option, the first that is there, none", async (t) => {
  const provider = await new Provider().start(t);
  const data = scratch(t);
  const env = { DROVER_MODEL: "" };
  let daemon = await start(t, { data, env });
  const settings = async () => {
    const { json } = await api(daemon, "GET", "/api/v1/settings");
    return [json.model, json.model_from];
  };
  assert.deepEqual(await settings(), [null, "none"]);
  assert.match(daemon.log, /no model is known/);
  // A key says which provider; its list says which model: one that is known to answer.
  await add(daemon, { name: "b", kind: "openai", base_url: provider.url });
  await until("the list came", async () => (await settings())[1] === "connection");
  assert.deepEqual(await settings(), ["b/gpt-5-mini-x", "connection"]);
  await daemon.kill();
  await daemon.start();
  assert.deepEqual(await settings(), ["b/gpt-5-mini-x", "connection"], "at the ready line");
  await add(daemon, { name: "a", kind: "openai", base_url: "http://127.0.0.1:9", models: ["m"] });
  assert.deepEqual(await settings(), ["a/m", "connection"]);
  await daemon.kill();
  const asked = provider.asked.length;
  // The same database, where it is not in the data directory.
  daemon = await start(t, { data, env: daemon.env, args: ["--model", "b/named"] });
  assert.deepEqual(await settings(), ["b/named", "option"]);
  assert.equal(provider.asked.length, asked, "nobody is asked where it is decided");
  await api(daemon, "PATCH", "/api/v1/settings", { default_model: "a/other" });
  assert.deepEqual(await settings(), ["a/other", "setting"]);
});

test("a session that says nothing takes the settings as they are at its next turn", async (t) => {
  const provider = await new Provider().start(t);
  const daemon = await start(t);
  await add(daemon, { name: "p", kind: "openai", base_url: provider.url });
  const session = async (body) => (await api(daemon, "POST", "/api/v1/sessions", body)).json.id;
  const [plain, own] = [
    await session({ title: "Plain" }),
    await session({
      title: "Own",
      model: "p/own",
      instructions: "Be long.",
      settings: { effort: "low" },
    }),
  ];
  const say = async (id) => {
    const before = provider.asked.length;
    const said = await api(daemon, "POST", `/api/v1/sessions/${id}/messages`, { text: "hi" });
    assert.equal(said.status, 201, said.text);
    await until("it is asked", () => provider.asked.length > before);
    const { model, messages, reasoning_effort: effort } = JSON.parse(provider.last.body);
    await until("it has answered", async () => {
      const { json } = await api(daemon, "GET", `/api/v1/sessions/${id}`);
      return json.state === "idle";
    });
    return [model, messages[0].content.split("\n")[0], effort];
  };
  const settings = (body) => api(daemon, "PATCH", "/api/v1/settings", body);
  await settings({ default_model: "p/one", instructions: "Be brief.", effort: "high" });
  assert.deepEqual(await say(plain), ["one", "Be brief.", "high"]);
  assert.deepEqual(await say(own), ["own", "Be long.", "low"]);
  await settings({ default_model: "p/two", instructions: "Be briefer.", effort: null });
  assert.deepEqual(await say(plain), ["two", "Be briefer.", undefined]);
  await settings({ instructions: null });
  assert.match((await say(plain))[1], /^You are a careful assistant/);
});

test("a start waits for a slow provider a second, not more", async (t) => {
  const provider = await new Provider().start(t);
  provider.delayMs = 60_000;
  const env = { DROVER_MODEL: "", OPENAI_BASE_URL: provider.url };
  const begun = Date.now();
  const daemon = await start(t, { env });
  assert.ok(Date.now() - begun < 59_000, "it waited");
  assert.equal((await api(daemon, "GET", "/api/v1/settings")).json.model_from, "none");
  assert.equal((await daemon.stop()).code, 0);
});

test("a local server that was started after the daemon is found by the first use", async (t) => {
  const provider = await new Provider().start(t);
  provider.stop();
  const port = await keptPort();
  const env = { DROVER_MODEL: "", OLLAMA_HOST: `127.0.0.1:${port}` };
  const daemon = await start(t, { env });
  const from = async () => (await api(daemon, "GET", "/api/v1/settings")).json.model_from;
  const ask = () => daemon.cli(["ask", "hello"]);
  assert.equal(await from(), "none");
  const refused = await ask();
  assert.deepEqual([refused.code, refused.stdout], [2, ""]);
  assert.match(refused.stderr, /^drover: no model is known \(no_model\)\n[^]*ollama serve/);
  const named = await daemon.cli(["ask", "--model", "ollama/small", "hello"]);
  assert.match(named.stderr, /there is no provider 'ollama'; start Ollama, or set OLLAMA_HOST/);

  await provider.listen(port);
  assert.equal((await daemon.cli(["ask", "--model", "ollama/small", "hello"])).stdout, "ok\n");
  await until("a use looks again", async () => (await from()) === "connection");
  assert.deepEqual(await ask(), { code: 0, signal: null, stdout: "ok\n", stderr: "" });
  const set = await daemon.cli(["config", "set", "default_model", "ollama/small"]);
  assert.equal(set.code, 0, set.stderr);
});

test("--model must name a provider that is there or may come, and keeps it there", async (t) => {
  const daemon = new Daemon({ data: scratch(t), args: ["--model", "nosuch/x"] });
  t.after(() => daemon.kill());
  const serve = (model) => {
    daemon.args[daemon.args.length - 1] = model;
    return daemon.start();
  };
  await assert.rejects(
    serve("nosuch/x"),
    /--model nosuch\/x: there is no provider 'nosuch'; known are scripted, and openai, .*_KEY/,
  );
  assert.equal((await daemon.exited).code, 2);

  await serve("deepseek/x"); // Its key may come with the next start.
  assert.match(daemon.log, /no provider 'deepseek' yet: set DEEPSEEK_API_KEY/);
  await add(daemon, { name: "p", kind: "openai", base_url: "http://127.0.0.1:9" });
  await daemon.stop();

  await serve("p/x");
  const { status, json } = await api(daemon, "DELETE", `${base}/p`);
  assert.equal(status, 409);
  assert.equal(
    json.detail,
    "the daemon was started with --model p/x: start it with another first",
  );
  await daemon.kill();
  await daemon.start();
});

test("a file of prices or a script that is wrong ends the start with its place", async (t) => {
  const bad = path.join(scratch(t), "bad.json");
  writeFileSync(bad, '{"models": 7}');
  for (const flag of ["--prices", "--script"]) {
    const daemon = new Daemon({ data: scratch(t), args: [flag, bad] });
    await assert.rejects(daemon.start(), /bad\.json/);
  }
});

test("the commands set, show, test and remove, and take no key as an argument", async (t) => {
  const provider = await new Provider().start(t);
  const daemon = await start(t);
  const key = "sk-commands-0123456789";
  const cli = async (args, options) => {
    const done = await daemon.cli(args, options);
    assert.ok(!`${done.stdout}${done.stderr}`.includes(key));
    return done;
  };
  const words = ["--kind", "openai", "--base-url", provider.url];
  const added = await cli(
    [
      ...["provider", "add", "p", ...words, "--key-file", "-"],
      ...["--header", "X-Title: drover", "--model", "m"],
    ],
    { input: `${key}\n` },
  );
  assert.equal(added.code, 0, added.stderr);
  assert.match(added.stdout, /^p is set;/);
  const tested = await cli(["provider", "test", "p"]);
  assert.equal(tested.code, 0, tested.stderr);
  assert.match(tested.stdout, /^p answers: m, \d+ ms/);
  assert.equal(provider.last.headers.authorization, `Bearer ${key}`);
  assert.equal(provider.last.headers["x-title"], "drover");
  const listed = (await cli(["provider", "ls"])).stdout;
  assert.match(listed, /^p +openai +16 +set +http\S+ +ok +key file/m);
  assert.match((await cli(["models"])).stdout, /^p\/gpt-5-mini-x +5000/m);
  const lines = (await cli(["models", "--json"])).stdout.trim().split("\n");
  assert.deepEqual(lines.map((line) => JSON.parse(line).id).sort(), [
    "p/gpt-5-mini-x",
    "p/m",
    "p/small",
  ]);

  const file = path.join(scratch(t), "key");
  writeFileSync(file, `${key}-2\n`);
  assert.equal((await cli(["provider", "set", "p", "--key-file", file])).code, 0);
  provider.status = 401;
  const failed = await cli(["provider", "test", "p"]);
  assert.equal(failed.code, 1);
  assert.match(failed.stdout, /^p does not answer: .*\(auth_failed, m, after \d+ ms\)/);
  assert.equal(provider.last.headers.authorization, `Bearer ${key}-2`);
  assert.match((await cli(["provider", "set", "p", "--no-key"])).stdout, /without a key/);

  writeFileSync(file, "two words\n");
  for (const [args, wrong] of [
    [["provider", "add", "q"], /--kind KIND is needed/],
    [["provider", "add", "q", "--kind", "openai", "--key", key], /--key/],
    [["provider", "add", "q", ...words, "--key-file", file], /one line/],
    [["provider", "add", "q", ...words, "--key-file", "/none"], /cannot be read/],
    [["provider", "add", "q", ...words, "--header", "X"], /not NAME:VALUE/],
    [["provider", "add", "p", ...words], /already/],
    [["provider", "rm", "q"], /there is no provider 'q'/],
    [["config", "get", "nonsense"], /not one of default_model/],
    [["config", "set", "window"], /VALUE is needed/],
    [["config", "set", "window", "1", "--reset"], /exclude/],
    [["config", "set", "window", "many"], /not a number of tokens/],
    [["config", "set", "effort", "huge"], /low, medium or high/],
  ]) {
    const refused = await daemon.cli(args);
    assert.notEqual(refused.code, 0, args.join(" "));
    assert.match(refused.stderr, wrong);
  }

  const set = await cli(["config", "set", "instructions", "-"], { input: "Be brief.\nVery.\n" });
  assert.equal(set.code, 0, set.stderr);
  assert.equal((await cli(["config", "get", "instructions"])).stdout, "Be brief.\nVery.\n\n");
  assert.equal((await cli(["config", "set", "default-model", "p/m"])).code, 0);
  assert.equal((await cli(["config", "get", "default_model"])).stdout, "p/m\n");
  const all = await cli(["config", "get"]);
  assert.match(all.stdout, /^asked now +p\/m \(as set\)$/m);
  assert.equal((await cli(["config", "set", "default_model", "--reset"])).code, 0);
  assert.equal((await cli(["provider", "rm", "p"])).code, 0);
  assert.match((await cli(["help", "config", "set"])).stdout, /configuration\s+file/);
});
