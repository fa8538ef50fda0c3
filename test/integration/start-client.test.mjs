// start-client.test.mjs: what a client is told about a daemon that another command started.
//
// runs-with: release, san
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { Provider, start } from "./providers.mjs";
import { User } from "./user.mjs";

const jsonLines = (text) => text.trim().split("\n").map((line) => JSON.parse(line));

test("keys are of the command that started the daemon, and others are told once", async (t) => {
  const provider = await new Provider().start(t);
  const mine = { OPENAI_API_KEY: "sk-mine-1234567", OPENAI_BASE_URL: provider.url };
  const user = new User(t, { env: mine });
  assert.match(await user.ok("models"), /openai\/small/);
  const from = `environment of drover models, pid \\d+, \\d{4}-\\d\\d-\\d\\d [0-9:]{8}Z`;
  assert.match(await user.ok("status"), new RegExp(`openai \\(key from the ${from}\\)`));
  assert.match(await user.ok("provider", "ls"), new RegExp(`^openai .* ${from}$`, "m"));
  const [row] = jsonLines(await user.ok("provider", "ls", "--json", "--search", "openai"));
  assert.match(row.key_from, new RegExp(`^${from}$`));

  // The same key, no key, and a command that asks no model: nothing is said.
  assert.doesNotMatch((await user.terminal("models")).shown, /OPENAI_API_KEY/);
  assert.doesNotMatch((await user.terminal("models", { OPENAI_API_KEY: "" })).shown, /_API_KEY/);
  const other = { OPENAI_API_KEY: "sk-other-765432", DEEPSEEK_API_KEY: "sk-deep-765432" };
  assert.doesNotMatch((await user.terminal("ps", other)).shown, /_API_KEY/);

  const { code, shown } = await user.terminal("models", other);
  assert.equal(code, 0, shown);
  const another = new RegExp(`drover: OPENAI_API_KEY of this terminal is not used: the daemon has` +
    ` another one, from the ${from}\\.\n.*'drover provider add openai --key-env OPENAI_API_KEY'`);
  assert.match(shown, another);
  assert.match(shown, /DEEPSEEK_API_KEY of this terminal is not used: the daemon has none/);
  assert.doesNotMatch((await user.terminal("models", other)).shown, /_API_KEY/, "once");
  const third = { ...other, OPENAI_API_KEY: "sk-third-765432" };
  assert.match((await user.terminal("models", third)).shown, /OPENAI_API_KEY of this terminal/);
  const told = path.join(user.data, "keys-told");
  assert.equal(statSync(told).mode & 0o777, 0o600);
  assert.match(readFileSync(told, "utf8"), /^([0-9a-f]{64}\n){3}$/);
  assert.equal(provider.last.headers.authorization, "Bearer sk-mine-1234567");

  // A restart has the keys of its environment; what was told of stays told.
  user.env.OPENAI_API_KEY = "sk-third-765432";
  await user.ok("restart");
  assert.doesNotMatch((await user.terminal("models", third)).shown, /OPENAI_API_KEY/);
});

test("a key of the client's environment is stored, and not asked about again", async (t) => {
  const provider = await new Provider().start(t);
  const user = new User(t);
  await user.ok("models");
  const mine = { OPENAI_API_KEY: "sk-mine-1234567", OPENAI_BASE_URL: provider.url };
  Object.assign(user.env, mine);
  assert.match(await user.ok("provider", "add", "openai", "--key-env", "OPENAI_API_KEY"),
    /openai is set; /);
  await user.ok("provider", "test", "openai");
  assert.equal(provider.last.headers.authorization, "Bearer sk-mine-1234567");
  const [row] = jsonLines(await user.ok("provider", "ls", "--json", "--search", "openai"));
  assert.deepEqual([row.kind, row.base_url, row.key_from], ["openai", provider.url, "key file"]);
  assert.match(await user.ok("status"), /openai \(key file\)/);
  const other = await user.terminal("models", { OPENAI_API_KEY: "sk-other-765432" });
  assert.doesNotMatch(other.shown, /OPENAI_API_KEY/);

  const { stdout } = await user.cli("provider", "add", "deepseek", "--json");
  assert.deepEqual([JSON.parse(stdout).kind, JSON.parse(stdout).base_url],
    ["openai", "https://api.deepseek.com/v1"]);
  const unset = await user.cli("provider", "add", "anthropic", "--key-env", "NO_SUCH_KEY");
  assert.equal(unset.code, 2);
  assert.match(unset.stderr, /the variable NO_SUCH_KEY is not set in this environment/);
  assert.equal((await user.cli("provider", "add", "mine", "--key-env", "OPENAI_API_KEY")).code, 2);
});

test("hashes of keys are for the owner of the socket, of a daemon on demand", async (t) => {
  const keys = { OPENAI_API_KEY: "sk-mine-1234567", DEEPSEEK_BASE_URL: "http://127.0.0.1:9/v1" };
  const target = "/api/v1/environment-keys";
  const user = new User(t, { env: keys });
  const { token } = JSON.parse(await user.ok("token", "create", "--label", "x", "--json"));
  const { json } = await user.request("GET", target);
  assert.match(json.salt, /^.{32,}$/);
  assert.equal(json.keys.length, 1);
  assert.equal(json.keys[0].name, "openai");
  const hash = createHmac("sha256", json.salt).update(keys.OPENAI_API_KEY).digest("hex");
  assert.equal(json.keys[0].hash, hash);
  const headers = { authorization: `Bearer ${token}` };
  const refused = await user.request("GET", target, { headers });
  assert.equal(refused.status, 403);

  const daemon = await start(t, { env: keys });
  const served = await daemon.request("GET", target, { local: true });
  assert.deepEqual(served.json, { salt: null, from: "environment of the daemon", keys: [] });
  const row = await daemon.request("GET", "/api/v1/providers/openai", { local: true });
  assert.equal(row.json.key_from, "environment of the daemon");
  const hint = await user.terminal(`models --data ${daemon.data}`, { OPENAI_API_KEY: "sk-2" });
  assert.doesNotMatch(hint.shown, /OPENAI_API_KEY/);
});
