// life.test.mjs: how a daemon begins and ends, and what it refuses to begin with.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import net from "node:net";
import path from "node:path";
import { test } from "node:test";

import { AtTerminal } from "../../scripts/terminal.mjs";
import { bin, Daemon, plainEnv, run, scratch } from "./lib.mjs";
import { openSse } from "./sse.mjs";
import WebSocket from "./ws.mjs";

// What only one of the two databases can show.
const onSqlite = process.env.DROVER_DATABASE === undefined ? test : () => {};
const onPostgres = process.env.DROVER_DATABASE === undefined ? () => {} : test;

const open = ["--insecure-loopback"];

async function start(t, options = {}) {
  const daemon = await new Daemon({ data: scratch(t), args: open, ...options }).start();
  t.after(() => daemon.kill());
  return daemon;
}

test("a stop ends streams with a frame to resume from, and exits 0", async (t) => {
  const daemon = await start(t);
  await daemon.append("s", { type: "t" });
  const sse = await openSse(daemon, "/api/v1/streams/s/events");
  assert.equal((await sse.next()).id, "1");
  const socket = new WebSocket(`ws://127.0.0.1:${daemon.port}/api/v1/ws`);
  const frames = [];
  const subscribed = new Promise((resolve) =>
    socket.on("message", (text) => {
      frames.push(JSON.parse(text));
      if (frames.at(-1).seq) resolve();
    }),
  );
  const closed = new Promise((resolve) => socket.on("close", (code) => resolve(code)));
  await new Promise((resolve) => socket.on("open", resolve));
  socket.send('{"subscribe":"s","after":0}');
  await subscribed;
  const wait = daemon.request("GET", "/api/v1/streams/s/events?after=1&wait=60");
  const idle = net.connect(daemon.port, "127.0.0.1");
  await new Promise((resolve) => idle.on("connect", resolve));
  // The wait is in the daemon's hands once a later request on another connection was answered.
  await daemon.request("GET", "/api/v1/streams/s");
  const end = daemon.stop();
  assert.deepEqual(await sse.next(), { event: "closing", data: '{"after":1}' });
  assert.equal(await sse.next(), undefined);
  assert.deepEqual((await wait).json.events, []);
  assert.equal(await closed, 1001);
  assert.deepEqual(frames.at(-1), { stream: "s", closing: { after: 1 } });
  assert.deepEqual(await end, { code: 0, signal: null });
  await daemon.start();
  const again = await openSse(daemon, "/api/v1/streams/s/events", { "last-event-id": "1" });
  await daemon.append("s", { type: "u" });
  assert.equal((await again.next()).id, "2");
  again.close();
});

test("the second signal ends at once", async (t) => {
  const daemon = await start(t, { args: [...open, "--drain", "60"] });
  // A request whose body does not come keeps the drain waiting.
  const socket = net.connect(daemon.port, "127.0.0.1");
  socket.on("error", () => {});
  socket.write(
    "POST /api/v1/streams/s/events HTTP/1.1\r\nHost: localhost:" +
      `${daemon.port}\r\nContent-Type: application/json\r\n` +
      "Content-Length: 10\r\nExpect: 100-continue\r\n\r\n",
  );
  await new Promise((resolve) => socket.once("data", resolve));
  const stopping = new Promise((resolve) =>
    daemon.child.stderr.on("data", () => daemon.log.includes("stopping") && resolve()),
  );
  daemon.child.kill("SIGTERM");
  await stopping;
  daemon.child.kill("SIGINT");
  assert.deepEqual(await daemon.exited, { code: 130, signal: null });
});

test("a data directory has one daemon: the second ends with exit code 6", async (t) => {
  const daemon = await start(t);
  const second = await run(["serve", "--data", daemon.data, "--listen", "127.0.0.1:0"]);
  assert.equal(second.code, 6);
  assert.match(second.stderr, new RegExp(`in use by process ${daemon.child.pid}`));
  assert.equal(second.stdout, "");
  // The first one still serves on its socket.
  assert.equal((await daemon.request("GET", "/api/v1/version", { local: true })).status, 200);
});

onSqlite("a limit on the size of files is told as a full disk, not by a signal", async (t) => {
  const daemon = await start(t);
  await daemon.append("s", { type: "t" });
  assert.equal((await daemon.stop()).code, 0);
  // The shell counts in blocks of 512 bytes; the first commit of a start writes more than that.
  const limited = ["-c", 'ulimit -f 16 && exec "$0" "$@"', bin, ...daemon.args];
  const second = await run(limited, { program: "/bin/sh" });
  assert.deepEqual([second.code, second.signal], [7, null]);
  assert.match(second.stderr, /no space left/);
});

test("an empty path is no data directory", async () => {
  const { code, stderr } = await run(["serve", "--data", "", "--listen", "127.0.0.1:0"]);
  assert.equal(code, 2);
  assert.match(stderr, /empty/);
});

test("a socket left by a killed daemon is replaced", async (t) => {
  const daemon = await start(t);
  await daemon.kill();
  assert.ok(existsSync(daemon.socket));
  await daemon.start();
  assert.equal((await daemon.request("GET", "/api/v1/version", { local: true })).status, 200);
});

test("the data directory is made for its owner alone, however deep", async (t) => {
  const data = path.join(scratch(t), "a".repeat(60), "b".repeat(60), "c");
  const daemon = await new Daemon({ data, args: open }).start();
  t.after(() => daemon.kill());
  assert.equal(statSync(data).mode & 0o777, 0o700);
  assert.equal((await daemon.cli(["stream", "append", "s", "-t", "t"])).stdout, "s 1\n");
});

test("it listens on a Unix socket alone when asked", async (t) => {
  const folder = scratch(t);
  const socket = path.join(folder, "own.sock");
  const daemon = await new Daemon({
    data: path.join(folder, "d"),
    listen: `unix:${socket}`,
  }).start();
  t.after(() => daemon.kill());
  assert.equal(daemon.url, `unix:${socket}`);
  daemon.socket = socket;
  assert.equal((await daemon.request("GET", "/api/v1/version", { local: true })).status, 200);
});

test("an address that other machines reach is refused unless allowed", async (t) => {
  const data = scratch(t);
  for (const address of ["0.0.0.0:0", "[::]:0"]) {
    const refused = await run(["serve", "--data", data, "--listen", address]);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /--allow-remote/);
  }
  const daemon = await new Daemon({
    data,
    listen: "0.0.0.0:0",
    args: ["--allow-remote"],
  }).start();
  t.after(() => daemon.kill());
  // --insecure-loopback was not given: TCP wants a token.
  assert.equal((await daemon.request("GET", "/api/v1/version")).status, 401);
});

test("an address in use is told in one sentence", async (t) => {
  const daemon = await start(t);
  const second = await run([
    "serve",
    "--data",
    scratch(t),
    "--listen",
    `127.0.0.1:${daemon.port}`,
  ]);
  assert.equal(second.code, 5); // Not that of a busy data directory.
  assert.match(second.stderr, /port \d+ of 127\.0\.0\.1 is taken by drover \(pid \d+\)/);
});

test("settings come from flag, environment and file, in that order", async (t) => {
  const data = scratch(t);
  writeFileSync(path.join(data, "config.json"), '{"listen": "file", "insecure_loopback": true}');
  const env = { ...plainEnv, DROVER_DATA: data };
  delete env.DROVER_LISTEN;
  assert.match((await run(["serve"], { env })).stderr, /'file' is neither/);
  const named = { ...env, DROVER_LISTEN: "environment" };
  assert.match((await run(["serve"], { env: named })).stderr, /'environment' is neither/);
  const daemon = await new Daemon({ data, args: [] }).start();
  t.after(() => daemon.kill());
  assert.equal((await daemon.request("GET", "/api/v1/version")).status, 200); // The file's switch.
});

test("a fault in the configuration is told by name and position", async (t) => {
  const data = scratch(t);
  const file = path.join(data, "config.json");
  for (const [text, says] of [
    [
      '{\n  "lisen": "x"\n}',
      /config\.json:2:3: unknown setting "lisen"; did you mean "listen"\?/,
    ],
    ['{"drain": "long"}', /config\.json:1:2: "drain" must be a whole number/],
    ['{"log": "loud"}', /config\.json:1:2: log: 'loud' is not one of debug\|info\|warn\|error/],
    ['{"drain": 1,}', /config\.json: .*line 1/],
  ]) {
    writeFileSync(file, text);
    const result = await run(["serve", "--data", data]);
    assert.equal(result.code, 2, result.stderr);
    assert.match(result.stderr, says);
  }
  const named = await run(["serve", "--data", data, "--config", path.join(data, "none.json")]);
  assert.equal(named.code, 2);
  const env = await run(["serve", "--data", data], {
    env: { ...plainEnv, DROVER_DRAIN: "soon" },
  });
  assert.equal(env.code, 2);
  assert.match(env.stderr, /DROVER_DRAIN/);
});

test("the log is JSON lines on a pipe, and nothing but the ready line is on stdout", async (t) => {
  const words = ["serve", "--data", scratch(t), "--listen", "127.0.0.1:0"];
  const child = spawn(bin, words, { env: plainEnv });
  t.after(() => child.kill("SIGKILL"));
  let out = "";
  let log = "";
  child.stderr.on("data", (chunk) => (log += chunk));
  await new Promise((resolve) =>
    child.stdout.on("data", (chunk) => {
      out += chunk;
      resolve();
    }),
  );
  child.kill("SIGTERM");
  await new Promise((resolve) => child.on("exit", resolve));
  assert.match(out, /^drover ready at http:\/\/127\.0\.0\.1:\d+\n$/);
  for (const line of log.trim().split("\n")) assert.equal(typeof JSON.parse(line).what, "string");
});

test("at a terminal the ready line names the command that opens the page, no secret", async (t) => {
  const data = scratch(t);
  const words = [bin, "serve", "--data", data, "--listen", "127.0.0.1:0", "--log", "warn"];
  let left = false;
  const changed = (screen) => {
    if (left || !/ready .* browser\n/.test(screen.text.join("\n"))) return;
    left = true;
    serve.type("\x03");
  };
  const serve = new AtTerminal(words, { columns: 300, rows: 24, env: plainEnv, changed });
  t.after(() => serve.child.kill("SIGKILL"));
  assert.equal(await serve.ended, 0, serve.screen.text.join("\n"));
  const line = serve.screen.text.find((one) => / ready at /.test(one)); // Behind warnings, if any.
  const ready = /^drover ready at http:\/\/127\.0\.0\.1:\d+; 'drover open --data (.*)' shows/;
  assert.equal(ready.exec(line)?.[1], data, line);
  assert.doesNotMatch(serve.screen.text.join("\n"), /#|drv_/);
});

onSqlite(
  "a backup of a live daemon is restored elsewhere, and only where nothing is",
  async (t) => {
    const daemon = await start(t);
    for (let i = 0; i < 50; i++) await daemon.append("s", { type: "t", data: i });
    const folder = scratch(t);
    const file = path.join(folder, "copy");
    const backup = await daemon.cli(["backup", file]);
    assert.equal(backup.code, 0, backup.stderr);
    assert.notEqual((await daemon.cli(["backup", file])).code, 0); // It exists.
    await daemon.append("s", { type: "after the backup" });
    const other = path.join(folder, "other");
    assert.equal((await run(["restore", file, "--data", other])).code, 0);
    assert.notEqual((await run(["restore", file, "--data", other])).code, 0);
    assert.notEqual((await run(["restore", file, "--data", daemon.data])).code, 0);
    const copy = await new Daemon({ data: other, args: open }).start();
    t.after(() => copy.kill());
    const { json } = await copy.request("GET", "/api/v1/streams/s/events?limit=1000");
    assert.deepEqual(
      json.events.map((event) => event.data),
      Array.from({ length: 50 }, (_, i) => i),
    );
  },
);

onSqlite(
  "doctor says what is well and what is not",
  async (t) => {
    const daemon = await start(t);
    const rows = async (args = []) => {
      const result = await daemon.cli(["doctor", "--json", ...args]);
      const checks = Object.fromEntries(
        result.stdout
          .trim()
          .split("\n")
          .map((line) => [JSON.parse(line).check, JSON.parse(line)]),
      );
      return { code: result.code, checks };
    };
    const well = await rows();
    assert.equal(well.code, 0);
    for (const check of ["versions", "data", "permissions", "schema", "integrity", "daemon"]) {
      assert.equal(well.checks[check].verdict, "ok", check);
    }
    await daemon.stop();
    assert.equal((await rows()).checks.daemon.verdict, "warn");
    const file = path.join(daemon.data, "drover.db");
    const bytes = readFileSync(file);
    bytes.fill(0xa5, 4096, bytes.length);
    writeFileSync(file, bytes);
    const ill = await rows();
    assert.equal(ill.code, 7);
    assert.ok(Object.values(ill.checks).some((check) => check.verdict === "fail"));
    const plain = await daemon.cli(["doctor"]);
    assert.match(plain.stdout, /^fail /m);
    mkdirSync(path.join(daemon.data, "empty"));
    const none = await rows(["--data", path.join(daemon.data, "empty", "x")]);
    assert.equal(none.code, 0);
    assert.equal(none.checks.data.verdict, "warn");
  },
);

onSqlite("a data directory removed under a living daemon ends it with exit code 8", async (t) => {
  const daemon = await start(t);
  assert.equal((await daemon.append("s", { type: "t" })).status, 201);
  rmSync(daemon.data, { recursive: true });
  await assert.rejects(daemon.append("s", { type: "t" }));
  assert.deepEqual(await daemon.exited, { code: 8, signal: null });
  assert.match(daemon.log, /"store_lost".*removed or replaced/);
});

test("a data directory into which everybody may write is refused", async (t) => {
  const data = scratch(t);
  chmodSync(data, 0o777);
  const result = await run(["serve", "--data", data, "--listen", "127.0.0.1:0"]);
  assert.notEqual(result.code, 0);
  assert.match(result.stderr, /The data directory .* is writable by everybody/);
  const doctor = await run(["doctor", "--data", data]);
  assert.match(doctor.stdout, /^fail +permissions /m);
  chmodSync(data, 0o770);
  assert.match((await run(["doctor", "--data", data])).stdout, /^warn +permissions .*write/m);
});

test("a mistyped setting in the environment is warned of", async (t) => {
  const daemon = await start(t, { env: { DROVER_HARTBEAT: "5" } });
  const warning = JSON.parse(daemon.log.split("\n").find((line) => /HARTBEAT/.test(line)));
  assert.equal(warning.level, "warn");
  assert.equal(warning.did_you_mean, "DROVER_HEARTBEAT");
});

onPostgres(
  "a second daemon on the same database stands by, and takes over",
  async (t) => {
    const first = await start(t);
    const env = { DROVER_DATABASE: first.env.DROVER_DATABASE };
    const second = new Daemon({ data: scratch(t), args: open, env });
    await first.append("s", { type: "t" });
    const ready = second.start();
    t.after(() => second.kill());
    await new Promise((resolve) =>
      second.child.stderr.on("data", () => second.log.includes("standing by") && resolve()),
    );
    await first.kill();
    await ready;
    assert.equal((await second.append("s", { type: "t" })).json.seq, 2);
  },
);
