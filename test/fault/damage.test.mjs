// Damage to the files of a daemon that was killed: bytes of the database and of its log are
// flipped, the log is cut or removed, folders of the spool go. Whatever happened, an answer is JSON
// and holds what was stored, or is an error; and where something is gone, the daemon and `drover
// doctor` say so.
//
// runs-with: release
//
// DROVER_DAMAGES  how many (20; with DROVER_TEST_ALL: 200)
// DROVER_SEED     repeats a run's damage
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { cpSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from
  "node:fs";
import path from "node:path";
import { test } from "node:test";

import { Daemon, Random, scratch } from "../integration/lib.mjs";

const damages = Number(process.env.DROVER_DAMAGES ?? (process.env.DROVER_TEST_ALL ? 200 : 20));
const seed = Number(process.env.DROVER_SEED ?? randomInt(1, 2 ** 31));
const args = ["--insecure-loopback"];
const STREAMS = 8;
const PAGE = 4096;
const STOPPED = "a flip in the database of a daemon that was stopped";
const LOSSES = ["damaged", "missing", "unknown_folders"];

/** Two directories, and what is stored in them: of a daemon that was stopped, all of whose rows are
 *  in the database file, and of one that was killed, with its newest rows in the log only. */
class Original {
  constructor(folder) {
    this.folder = folder;
    this.events = new Map();
    this.jobs = [];
  }

  copy(data) {
    cpSync(this.folder, data, { recursive: true, filter: (file) => !file.endsWith("sock") });
  }

  async append(daemon, random, count) {
    for (let i = 0; i < count; i++) {
      const stream = `damage-${random.below(STREAMS)}`;
      const known = this.events.get(stream) ?? [];
      const data = { n: known.length, text: "x".repeat(random.below(6000)) };
      const { status, json } = await daemon.append(stream, { type: "note", data });
      assert.deepEqual([status, json?.seq], [201, known.length + 1]);
      this.events.set(stream, [...known, data]);
    }
  }

  async jobsRun(daemon, count) {
    for (let i = 0; i < count; i++) {
      const body = { argv: ["echo", "a"] };
      const answer = await daemon.request("POST", "/api/v1/jobs", { body });
      assert.equal(answer.status, 201, answer.text);
      const target = `/api/v1/streams/run:${answer.json.id}/events?wait=30`;
      let events = [];
      while (!events.some(({ type }) => type === "run_finished")) {
        const after = events.at(-1)?.seq ?? 0;
        const page = await daemon.request("GET", `${target}&after=${after}`);
        events = [...events, ...page.json.events];
      }
      this.jobs.push(answer.json.id);
    }
  }

  async make(random) {
    const daemon = await new Daemon({ data: this.folder, args }).start();
    await this.append(daemon, random, 150);
    await this.jobsRun(daemon, 2);
    await daemon.stop();
    this.stopped = new Original(`${this.folder}-stopped`);
    this.copy(this.stopped.folder);
    this.stopped.events = new Map(this.events);
    this.stopped.jobs = [...this.jobs];
    await daemon.start();
    await this.append(daemon, random, 60);
    await this.jobsRun(daemon, 2);
    await daemon.kill();
    return this;
  }
}

const flip = (file, random) => {
  const bytes = readFileSync(file);
  const at = random.below(bytes.length);
  bytes[at] ^= 1 + random.below(255);
  writeFileSync(file, bytes);
  return `byte ${at} of ${path.basename(file)}`;
};

/** Each gives words for what it did. */
const kinds = {
  "a flip in the database": (data, random) => flip(path.join(data, "drover.db"), random),
  // No page of the log hides the one that is damaged.
  [STOPPED]: (data, random) => flip(path.join(data, "drover.db"), random),
  "drover.db cut": (data, random) => {
    const file = path.join(data, "drover.db");
    const size = random.below(readFileSync(file).length);
    truncateSync(file, size);
    return `${size} bytes are left`;
  },
  "a flip in the log": (data, random) => flip(path.join(data, "drover.db-wal"), random),
  "a log that is cut": (data, random) => {
    const file = path.join(data, "drover.db-wal");
    const size = random.below(readFileSync(file).length);
    truncateSync(file, size);
    return `${size} bytes are left`;
  },
  "a log that is removed": (data) => {
    rmSync(path.join(data, "drover.db-wal"));
    return "";
  },
  "a folder of the spool that is removed": (data, random) => {
    const names = readdirSync(path.join(data, "spool"));
    const name = names[random.below(names.length)];
    rmSync(path.join(data, "spool", name), { recursive: true });
    return name;
  },
};

/** What is read is what was stored, or an error of the database. Gives whether all is there. */
async function streamsAreRight(daemon, original, cutAway) {
  let whole = true;
  for (const [stream, stored] of original.events) {
    const target = `/api/v1/streams/${stream}/events?after=0&limit=1000`;
    const answer = await daemon.request("GET", target);
    assert.doesNotThrow(() => JSON.parse(answer.text), answer.text);
    if (answer.status === 200) {
      const { events } = answer.json;
      assert.deepEqual(events.map(({ seq }) => seq), events.map((_, i) => i + 1), stream);
      for (const { seq, data } of events) assert.deepEqual(data, stored[seq - 1], stream);
      whole &&= events.length === stored.length;
    } else {
      assert.ok(answer.status === 404 || answer.json.code === "store_corrupt", answer.text);
      whole = false;
    }
  }
  for (const run of original.jobs) {
    const answer = await daemon.request("GET", `/api/v1/runs/${run}`);
    assert.doesNotThrow(() => JSON.parse(answer.text), answer.text);
    if (answer.status === 200) {
      assert.ok(cutAway || answer.json.state === "succeeded", answer.text);
      whole &&= answer.json.state === "succeeded";
    } else {
      assert.ok(answer.status === 404 || answer.json.code === "store_corrupt", answer.text);
      whole = false;
    }
  }
  return whole;
}

/** True where the daemon serves; false where it refused to, with what to do. */
async function begins(daemon, words) {
  try {
    await daemon.start();
    return true;
  } catch {
    const { code } = await daemon.ended();
    assert.equal(code, 7, `${words}\n${daemon.log}`);
    assert.match(daemon.log, /drover restore|store_corrupt/, words);
    return false;
  }
}

test(`${damages} damages of the files (seed ${seed})`, async (t) => {
  const folder = scratch(t);
  const random = new Random(seed);
  const original = await new Original(path.join(folder, "original")).make(random);
  const names = Object.keys(kinds);
  let said = 0;
  for (let i = 0; i < damages; i++) {
    const kind = names[i % names.length];
    const data = path.join(folder, `damaged-${i}`);
    const from = kind === STOPPED ? original.stopped : original;
    from.copy(data);
    const words = `${i}: ${kind}: ${kinds[kind](data, random)}`;
    const daemon = new Daemon({ data, args });
    if (await begins(daemon, words)) {
      const cut = /log/.test(kind);
      let whole;
      try {
        whole = await streamsAreRight(daemon, from, cut);
      } catch (error) {
        error.message = `${words}: ${error.message}`;
        throw error;
      }
      const status = await daemon.request("GET", "/readyz");
      assert.equal(status.status, 200, `${words}: ${status.text}`);
      const doctor = await daemon.cli(["doctor"]);
      if (!whole) {
        assert.ok(LOSSES.some((loss) => status.json[loss] > 0), `${words}: ${status.text}`);
        assert.notEqual(doctor.code, 0, `${words}\n${doctor.stdout}`);
      }
      said += doctor.code !== 0;
      await daemon.stop();
    } else {
      said++;
    }
    rmSync(data, { recursive: true });
  }
  assert.ok(said >= damages / 3, `${said} of ${damages} were said`);
});

const under = {
  flipped: (log, random) => {
    for (let i = 0; i < 40; i++) flip(log, random);
  },
  cut: (log, random) => truncateSync(log, random.below(readFileSync(log).length)),
};

/** The daemon and each later one answer with what was stored, or an error. */
test(`a log that changes under a daemon (seed ${seed})`, async (t) => {
  const folder = scratch(t);
  const random = new Random(seed);
  const original = await new Original(path.join(folder, "original")).make(random);
  let losses = 0;
  for (let i = 0; i < Math.max(6, damages / 10); i++) {
    const kind = Object.keys(under)[i % 2];
    const data = path.join(folder, `under-${i}`);
    original.copy(data);
    const daemon = await new Daemon({ data, args }).start();
    under[kind](path.join(data, "drover.db-wal"), random);
    for (let life = 0; life < 2; life++) {
      const whole = await streamsAreRight(daemon, original, false);
      const { json } = await daemon.request("GET", "/readyz");
      const doctor = await daemon.cli(["doctor"]);
      if (!whole) {
        losses++;
        assert.ok(json.damaged > 0, `${i}: ${kind}: ${JSON.stringify(json)}`);
        assert.notEqual(doctor.code, 0, doctor.stdout);
      }
      await daemon.stop();
      if (life === 1 || !(await begins(daemon, `${i}: ${kind}`))) break;
    }
    if (daemon.running) await daemon.stop();
    rmSync(data, { recursive: true });
  }
  assert.ok(losses > 0);
});

/** Changes a byte in each page for which `wanted` says so. */
function flipPages(data, wanted) {
  const file = path.join(data, "drover.db");
  const bytes = readFileSync(file);
  for (let page = 0; page * PAGE < bytes.length; page++) {
    const at = page * PAGE;
    if (wanted(bytes.subarray(at, at + PAGE), page)) bytes[at + 2000] ^= 1;
  }
  writeFileSync(file, bytes);
}

test("a damaged schema refuses the start, and says how to restore", async (t) => {
  const folder = scratch(t);
  const original = await new Original(path.join(folder, "original")).make(new Random(1));
  const { folder: data } = original.stopped;
  flipPages(data, (_, page) => page === 0);
  const daemon = new Daemon({ data, args });
  assert.equal(await begins(daemon, "page 1"), false);
  assert.match(daemon.log, /store_corrupt|damaged/);
  assert.match(daemon.log, /drover restore FILE/);
});

test("a log without its database is kept, and refuses the start", async (t) => {
  const folder = scratch(t);
  const { folder: data } = await new Original(path.join(folder, "original")).make(new Random(6));
  const [file, log] = ["drover.db", "drover.db-wal"].map((name) => path.join(data, name));
  const [whole, kept] = [readFileSync(file), readFileSync(log)];
  const daemon = new Daemon({ data, args });
  for (const cut of [() => rmSync(file), () => truncateSync(file, 0)]) {
    cut();
    for (const words of [["doctor"], ["doctor", "--deep"], ["backup", path.join(folder, "b")]]) {
      const { code, stdout, stderr } = await daemon.cli([...words, "--data", data]);
      assert.notEqual(code, 0, stdout);
      assert.match(stdout + stderr, /missing|no database/, words.join(" "));
    }
    assert.equal(await begins(daemon, "no database"), false);
    assert.match(daemon.log, /its log .* exists.*drover restore FILE/);
    assert.deepEqual(readFileSync(log), kept);
  }
  writeFileSync(file, whole);
  await daemon.start();
  const { json } = await daemon.request("GET", "/readyz");
  assert.equal(json.missing, 0);
  await daemon.stop();
});

test("damaged pages are told by the log, an event, /readyz and /metrics", async (t) => {
  const folder = scratch(t);
  const original = await new Original(path.join(folder, "original")).make(new Random(2));
  const { folder: data, events } = original.stopped;
  let left = 10; // The first ones: the newest rows share their pages with those that come.
  const isText = (bytes) => bytes.subarray(1500, 2500).every((byte) => byte === 0x78);
  flipPages(data, (bytes) => isText(bytes) && left-- > 0);
  const daemon = await new Daemon({ data, args }).start();
  const codes = new Set();
  for (const stream of events.keys()) {
    const target = `/api/v1/streams/${stream}/events?after=0&limit=1000`;
    codes.add((await daemon.request("GET", target)).json.code);
  }
  assert.ok(codes.has("store_corrupt"), [...codes].join());
  let damaged;
  for (let after = 0; damaged === undefined;) { // The daemon told of its hold before.
    const target = `/api/v1/streams/system/events?after=${after}&wait=30`;
    const { json } = await daemon.request("GET", target);
    damaged = json.events.find((event) => event.type === "database_damaged");
    after = json.events.at(-1)?.seq ?? after;
  }
  assert.ok(damaged.data.pages > 0);
  const logged = /a page of the database is damaged/;
  let status;
  do status = await daemon.request("GET", "/readyz"); // As below: the log may be later.
  while (!logged.test(daemon.log));
  assert.equal(status.status, 200);
  assert.ok(status.json.damaged > 0);
  assert.match((await daemon.request("GET", "/metrics")).text, /store_damaged_pages [1-9]/);
  const doctor = await daemon.cli(["doctor"]);
  assert.equal(doctor.code, 7);
  assert.match(doctor.stdout, /^fail +integrity .*drover restore FILE.*--rewrite-sums/m);
  await daemon.stop();
});

test("doctor --deep reads free pages, and compares the spool with the rows", async (t) => {
  const folder = scratch(t);
  const original = await new Original(path.join(folder, "original")).make(new Random(4));
  const { folder: data, events, jobs } = original.stopped;
  const daemon = await new Daemon({ data, args }).start();
  for (const [stream, stored] of events) {
    const target = `/api/v1/streams/${stream}/events?through=${stored.length}`;
    const answer = await daemon.request("DELETE", target);
    assert.equal(answer.status, 200, answer.text);
  }
  const deep = async () => {
    const { code, stdout } = await daemon.cli(["doctor", "--deep", "--json"]);
    return { code, rows: stdout.trim().split("\n").map((line) => JSON.parse(line)) };
  };
  const of = (rows, check) => rows.filter((row) => row.check === check);
  const well = await deep();
  assert.equal(well.code, 0, JSON.stringify(well.rows));
  assert.equal(of(well.rows, "file")[0].verdict, "ok");
  assert.match(of(well.rows, "folders")[0].detail, /all folders of the spool \(2\)/);

  await daemon.stop();
  let left = 1;
  const isFree = (bytes) => bytes.subarray(0, 4088).every((byte) => byte === 0) && left-- > 0;
  flipPages(data, isFree);
  assert.ok(left < 0, "no page is free");
  const spool = path.join(data, "spool");
  const copy = (name) => cpSync(path.join(spool, `${jobs[0]}.1`), path.join(spool, name),
    { recursive: true, filter: (file) => !file.endsWith("sock") });
  copy(`${jobs[0]}.2`);
  copy(`${jobs[0].slice(0, -1)}${jobs[0].endsWith("0") ? 1 : 0}.1`);
  await daemon.start();
  // The folders are looked for while it serves.
  while ((await daemon.request("GET", "/readyz")).json.unknown_folders === 0);
  assert.equal((await daemon.cli(["doctor"])).code, 7);
  const { code, rows } = await deep();
  assert.equal(code, 7);
  assert.equal(of(rows, "integrity")[0].verdict, "ok"); // No row needs the page.
  assert.match(of(rows, "file")[0].detail, /^1 of \d+ pages .* restore a backup; /);
  const details = of(rows, "folder").map(({ detail }) => detail);
  assert.equal(details.length, 2, JSON.stringify(rows));
  assert.ok(details.some((detail) => detail.includes(`${jobs[0]}.2: `) && /attempt/.test(detail)));
  await daemon.stop();
  const down = await deep();
  assert.equal(of(down.rows, "file")[0].verdict, "fail");
  assert.equal(of(down.rows, "daemon")[0].verdict, "warn");
  assert.equal(of(down.rows, "rows")[0].verdict, "ok");
  assert.deepEqual(of(down.rows, "folder").map(({ detail }) => detail).sort(), details.sort());
});

test("checksums are rewritten after another program, not beside a daemon", async (t) => {
  const folder = scratch(t);
  const original = await new Original(path.join(folder, "original")).make(new Random(5));
  const { folder: data } = original.stopped;
  const file = path.join(data, "drover.db");
  const bytes = readFileSync(file);
  for (let end = PAGE; end <= bytes.length; end += PAGE) bytes.fill(0, end - 8, end); // VACUUM.
  writeFileSync(file, bytes);
  const daemon = new Daemon({ data, args });
  assert.equal(await begins(daemon, "no checksums"), false);
  assert.match(daemon.log, /drover restore --rewrite-sums/);
  const rewrite = () => daemon.cli(["restore", "--rewrite-sums", "--data", data, "--json"]);
  const { code, stdout } = await rewrite();
  const pages = bytes.length / PAGE;
  assert.deepEqual([code, JSON.parse(stdout)], [0, { rewritten: pages, pages }]);
  await daemon.start();
  assert.ok(await streamsAreRight(daemon, original.stopped));
  const well = await daemon.cli(["doctor", "--deep"]);
  assert.equal(well.code, 0, well.stdout);
  const refused = await rewrite();
  assert.notEqual(refused.code, 0);
  assert.match(refused.stderr, /another|already|runs|holds/);
  const usage = await daemon.cli(["restore", "FILE", "--rewrite-sums"]);
  assert.equal(usage.code, 2, usage.stderr);
  await daemon.stop();
});

test("a removed log is told with its runs, and held until a release", async (t) => {
  const folder = scratch(t);
  const original = await new Original(path.join(folder, "original")).make(new Random(3));
  const data = original.folder;
  rmSync(path.join(data, "drover.db-wal"));
  const daemon = await new Daemon({ data, args }).start();
  let status;
  const told = /folders of runs that are not in the database/;
  // The log comes through a pipe, and may be later than the answer.
  do status = (await daemon.request("GET", "/readyz")).json;
  while (status.unknown_folders === 0 || !told.test(daemon.log));
  assert.ok(status.missing >= 60, `${status.missing}`);
  assert.equal(status.unknown_folders, 2);
  assert.match(daemon.log, /store_incomplete/);
  assert.equal((await daemon.request("GET", "/api/v1/system/hold")).json.held, true);
  assert.match((await daemon.cli(["doctor"])).stdout, /^fail +commits .*drover release/m);

  await daemon.stop();
  await daemon.start(); // Told again, since nobody has accepted it.
  let again;
  do again = (await daemon.request("GET", "/readyz")).json;
  while (!/store_incomplete/.test(daemon.log));
  assert.equal(again.missing, status.missing);
  assert.equal(again.missing_at_ms, status.missing_at_ms);
  const { stdout: shown } = await daemon.cli(["release"]); // Without --yes: shows it.
  assert.match(shown, new RegExp(`lacks about ${status.missing} acknowledged commits.*found .*20`));
  const doctor = (await daemon.cli(["doctor"])).stdout;
  assert.match(doctor, /^fail +commits .*, found .*drover release/m);
  assert.equal((await daemon.request("POST", "/api/v1/system/release")).status, 200);
  do status = (await daemon.request("GET", "/readyz")).json;
  while (status.missing !== 0); // The release is noted beside its answer.
  await daemon.stop();
  await daemon.start();
  assert.equal((await daemon.request("GET", "/api/v1/system/hold")).json.held, false);
  assert.doesNotMatch((await daemon.cli(["doctor"])).stdout, /^fail +commits/m);
  await daemon.stop();
});
