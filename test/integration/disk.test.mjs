// disk.test.mjs: what the data directory holds, and its size limit.
//
// runs-with: release
import assert from "node:assert/strict";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { Daemon, run, scratch } from "./lib.mjs";
import { until } from "./providers.mjs";

const MB = 1 << 20;

const level = async (daemon) => (await daemon.request("GET", "/readyz")).json.disk.level;
const submit = (daemon, body) => daemon.request("POST", "/api/v1/jobs", { body });

test("at the size limit new runs are refused, running ones go on, and freed space counts at once",
  async (t) => {
    const folder = scratch(t);
    const data = path.join(folder, "d");
    const gate = path.join(folder, "gate");
    const ballast = path.join(data, "ballast");
    const args = ["--insecure-loopback"];
    const daemon = await new Daemon({ data, args }).start();
    t.after(() => daemon.kill());
    const session = (await daemon.request("POST", "/api/v1/sessions", { body: {} })).json.id;
    const wait = `while [ ! -e ${gate} ]; do sleep 0.02; done; echo through`;
    const keyed = (key) =>
      daemon.request("POST", "/api/v1/jobs", {
        body: { shell: wait }, headers: { "idempotency-key": key },
      });
    const job = (await keyed("first")).json.id;
    await daemon.stop();

    writeFileSync(ballast, Buffer.alloc(16 * MB, "x"));
    daemon.args.push("--max-bytes", "16M");
    await daemon.start();
    await until("it is so", async () => (await level(daemon)) === "full");
    const refused = await submit(daemon, { argv: ["true"] });
    assert.deepEqual([refused.status, refused.json.code], [507, "data_full"], refused.text);
    assert.match(refused.json.detail, /its limit is 16\.0 MB .*'drover du'/);
    const again = await keyed("first"); // What was accepted is not refused when it is repeated.
    assert.deepEqual([again.status, again.json.id], [201, job], again.text);
    const other = await keyed("second");
    assert.deepEqual([other.status, other.json.code], [507, "data_full"]);
    assert.match(other.json.detail, /its limit is 16\.0 MB/);
    const said = await daemon.request("POST", `/api/v1/sessions/${session}/messages`, {
      body: { text: "hello" },
    });
    assert.equal(said.json.code, "data_full");
    const flow = await daemon.request("POST", "/api/v1/workflows/deep-research/runs", { body: {} });
    assert.equal(flow.json.code, "data_full");
    const cli = await daemon.cli(["job", "run", "--", "true"]);
    assert.equal(cli.code, 7);
    assert.match(cli.stderr, /data_full/);
    const doctor = await daemon.cli(["doctor"]);
    assert.match(doctor.stdout, /fail +size +\d+ MB, and the limit is 16 MB/);
    const status = (await daemon.cli(["status"])).stdout;
    assert.match(status, /^disk {6}full: 1\d\.\d MB of 16\.0 MB, .* free on this disk; /m);
    const tail = (await daemon.cli(["stream", "tail", "system", "--json"])).stdout.trim();
    const events = tail.split("\n").map((line) => JSON.parse(line));
    const filling = events.filter((event) => event.type === "data_directory_filling");
    assert.equal(filling.length, 1);
    assert.equal(filling[0].data.level, "full");
    assert.equal(filling[0].data.limit, 16 * MB);

    writeFileSync(gate, "");
    const state = async () => (await daemon.request("GET", `/api/v1/runs/${job}`)).json.state;
    await until("it is so", async () => (await state()) === "succeeded");
    rmSync(ballast);
    await until("it is so", async () => (await submit(daemon, { argv: ["true"] })).status === 201);
    assert.equal(await level(daemon), "ok");
  });

test("du names what a directory holds, the largest runs first, with and without a daemon",
  async (t) => {
    const folder = scratch(t);
    const data = path.join(folder, "d");
    const args = ["--insecure-loopback", "--max-bytes", "1G"];
    const daemon = await new Daemon({ data, args }).start();
    t.after(() => daemon.kill());
    const finish = async (label, bytes) => {
      const shell = `head -c ${bytes} /dev/zero`;
      const { id } = (await submit(daemon, { shell, label })).json;
      const ended = async () => (await daemon.request("GET", `/api/v1/runs/${id}`)).json.state;
      await until("it is so", async () => (await ended()) === "succeeded");
      return id;
    };
    const small = await finish("small", 10);
    const large = await finish("large", 300000);
    const look = async (...more) => {
      return JSON.parse((await daemon.cli(["du", "--json", ...more])).stdout);
    };

    const du = await look();
    assert.equal(du.directory, data);
    assert.equal(du.limit, 1 << 30);
    const kinds = Object.fromEntries(du.kinds.map((kind) => [kind.kind, kind]));
    const sum = du.kinds.reduce((total, kind) => total + kind.bytes, 0);
    assert.equal(sum, du.bytes);
    assert.ok(kinds["output of runs"].bytes >= 300000);
    assert.ok(kinds.database.files === 1 && kinds.programs.bytes > 0);
    assert.ok(du.kinds.every((kind) => kind.holds && kind.freed_by));
    assert.deepEqual(du.runs.map(({ run, state, label }) => [run, state, label]), [
      [large, "succeeded", "large"],
      [small, "succeeded", "small"],
    ]);
    assert.deepEqual((await look("-n", "1")).runs.map(({ run }) => run), [large]);
    const shown = (await daemon.cli(["du"])).stdout;
    assert.match(shown, new RegExp(`${large} +3\\d\\d kB  succeeded   large`));
    assert.match(shown, /^total .* of 1\.0 GB \(--max-bytes\)/m);

    await daemon.stop();
    const offline = await look();
    assert.deepEqual([offline.limit, offline.runs.length], [null, 2]);
    assert.ok(!("state" in offline.runs[0]));
    const nowhere = await run(["du", "--data", path.join(folder, "nowhere")]);
    assert.equal(nowhere.code, 3);
    assert.ok(!existsSync(path.join(folder, "nowhere")));
  });
