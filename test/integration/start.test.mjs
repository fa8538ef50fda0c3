// start.test.mjs: commands that start the daemon that they need, and its end.
//
// runs-with: release, san
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync, chmodSync, chownSync, existsSync, mkdirSync, readlinkSync, rmdirSync,
  statSync, writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { test } from "node:test";

import { bin, binForAll } from "./lib.mjs";
import { read } from "./processes.mjs";
import { until } from "./providers.mjs";
import { stay } from "./stay.mjs";
import { User } from "./user.mjs";

const UNREACHABLE = 9;
const NOBODY = 65534;

test("fifty commands at once start one daemon, which has nothing of theirs", async (t) => {
  const secrets = { SECRET_OF_MINE: "x", OPENAI_API_KEY: "sk-1", LC_TIME: "C" };
  const user = new User(t, { env: secrets });
  const ends = await Promise.all(Array.from({ length: 50 }, () => user.cli("ps", "--json")));
  for (const { code, stderr } of ends) assert.deepEqual([code, stderr], [0, ""]);
  assert.equal(user.starts, 1, user.log);
  const of = (name) => `/proc/${user.pid}/${name}`;
  const environment = read(of("environ")).split("\0").map((word) => word.split("=")[0]);
  for (const name of ["HOME", "PATH", "OPENAI_API_KEY", "LC_TIME", "DROVER_MODEL"]) {
    assert.ok(environment.includes(name), name);
  }
  assert.ok(!environment.includes("SECRET_OF_MINE"));
  assert.equal(readlinkSync(of("cwd")), "/");
  assert.equal(readlinkSync(of("fd/0")), "/dev/null");
  const session = read(of("stat")).split(") ")[1].split(" ")[3];
  assert.equal(Number(session), user.pid, "a session of its own");
  assert.equal(statSync(path.join(user.data, "log")).mode & 0o777, 0o600);
  assert.match(user.log, /"url":"unix:/); // And no port.
});

/** A process that holds start.lock, until its input has a line. */
async function lockHold(t, user) {
  mkdirSync(user.data, { recursive: true, mode: 0o700 });
  const lock = path.join(user.data, "start.lock");
  const holder = spawn("flock", [lock, "sh", "-c", "echo held; read end"]);
  t.after(() => holder.kill());
  await once(holder.stdout, "data");
  return holder;
}

test("a command starts no daemon while another one holds start.lock", async (t) => {
  const user = new User(t);
  const holder = await lockHold(t, user);
  const child = spawn(bin, ["ps"], { env: user.env, stdio: "ignore" });
  const ended = once(child, "close");
  const pauses = () =>
    /^voluntary_ctxt_switches:\s+(\d+)/m.exec(read(`/proc/${child.pid}/status`))?.[1];
  await until("it waits, or has ended", () => Number(pauses() ?? Infinity) > 20);
  assert.ok(!existsSync(path.join(user.data, "log")), "the log is opened before a start");
  holder.stdin.end("\n");
  assert.deepEqual(await ended, [0, null]);
  assert.equal(user.starts, 1);
});

test("a command that hangs with start.lock delays others, and stops nobody", async (t) => {
  const user = new User(t);
  await lockHold(t, user);
  await user.ok("ps");
  assert.equal(user.starts, 1);
});

test("a killed daemon is started again: by the next command, and by one that waits", async (t) => {
  const user = new User(t);
  const gate = path.join(user.folder, "gate");
  const shell = `echo begun; until [ -e '${gate}' ]; do sleep 0.05; done; exit 3`;
  const id = (await user.ok("job", "run", "--detach", "--shell", shell)).trim();
  process.kill(user.pid, "SIGKILL");
  assert.match(await user.ok("ps"), new RegExp(`${id} .*running`));
  assert.equal(user.starts, 2);

  const waiting = stay(t, user, ["job", "logs", "-f", id], user.env);
  await waiting.lines(1);
  process.kill(user.pid, "SIGKILL");
  await until("it is started again", () => user.starts === 3);
  writeFileSync(gate, "");
  assert.equal((await waiting.ended).code, 0, waiting.errors);
  assert.match(await user.ok("show", id), /failed \(exit code 3\)/);
});

test("ask in a session starts the daemon that it needs", async (t) => {
  const user = new User(t);
  const { session } = JSON.parse(await user.ok("ask", "--json", "say: one"));
  for (const named of [session, "last"]) {
    process.kill(user.pid, "SIGKILL");
    assert.equal(await user.ok("ask", "--session", named, "say: two"), "two\n");
  }
  process.kill(user.pid, "SIGKILL");
  const absent = await user.cli("ask", "-s", `ses_${"0".repeat(26)}`, "say: three");
  assert.deepEqual([absent.code, absent.stdout], [3, ""]);
  assert.match(absent.stderr, /^drover: there is no session 'ses_0+'[^\n]*\n$/);
  assert.equal(user.starts, 4);
  const messages = await user.request("GET", `/api/v1/sessions/${session}/messages`);
  assert.equal(messages.json.items.length, 6);
});

test("a shutdown is final for clients that wait; restart loses nothing", async (t) => {
  const user = new User(t);
  const shell = "echo begun; exec sleep 1000";
  const id = (await user.ok("job", "run", "--detach", "--shell", shell)).trim();
  const first = user.pid;
  assert.match(await user.ok("restart"), /goes on with all runs/);
  assert.notEqual(user.pid, first);
  const shown = new RegExp(`started by drover restart[^]*${id.slice(0, 16)} .*running`);
  assert.match(await user.ok("status"), shown);

  const waiting = stay(t, user, ["job", "logs", "-f", "--retry-for", "300ms", id], user.env);
  await waiting.lines(1);
  assert.match(await user.ok("shutdown"), /1 run has not ended/);
  assert.equal((await waiting.ended).code, UNREACHABLE, waiting.errors);
  assert.equal(user.pid, undefined);
  const none = await user.cli("status");
  assert.deepEqual([none.code, none.stdout.split("\n")[0]],
    [UNREACHABLE, "daemon    none; a command that needs one starts it"]);

  assert.equal((await user.cli("shutdown")).code, UNREACHABLE);
  await user.ok("ps");
  assert.match(await user.ok("shutdown", "--stop-all"), new RegExp(`${id} cancelled[^]*has ended`));
});

test("an idle daemon ends, not under a run, and another is started when one is needed",
  async (t) => {
    const user = new User(t, { env: { DROVER_IDLE_EXIT: "1" } });
    const id = (await user.ok("job", "run", "--detach", "--", "sleep", "2")).trim();
    await until("it ends", () => user.log.includes("idle: ") && user.pid === undefined);
    const idle = user.log.split("\n").find((line) => line.includes("idle: "));
    const [job] = JSON.parse(`[${await user.ok("show", "--json", id)}]`);
    assert.equal(job.state, "succeeded");
    assert.ok(Date.parse(JSON.parse(idle).at) - job.ended_ms >= 900, `${idle} ${job.ended_ms}`);
    assert.equal(user.starts, 2);
  });

/** A slow machine may add such a line at any time. */
const calm = (text) => text.replace(/^.*a turn of the loop took long.*\n/gm, "");

test("the log is rotated at the start and later, and read across that", async (t) => {
  const user = new User(t, { env: { DROVER_IDLE_EXIT: "1" } });
  const log = path.join(user.data, "log");
  const long = (letter) => `${letter.repeat(99)}\n`.repeat(50_000);
  mkdirSync(user.data, { mode: 0o700 });
  writeFileSync(log, long("a"));
  const { id } = JSON.parse(await user.ok("job", "run", "--detach", "--json", "--", "sleep", "99"));
  assert.ok(user.log.length < 1e6, "at the start");
  assert.match(read(`${log}.1`), /^a[^]*"what":"serving"/);
  appendFileSync(log, long("b"));
  await until("it is rotated", () => user.log.length < 1e6);
  assert.match(calm(read(`${log}.1`)), /b\n$/);
  assert.match(calm(await user.ok("logs", "-n", "9")), /^b+\n$/m);
  assert.match(calm(await user.ok("logs", "-n", "9")), /b\n$/);
  assert.equal(statSync(log).mode & 0o777, 0o600);
  await user.ok("stop", id);
  await user.ok("shutdown");
  assert.match(calm(await user.ok("logs", "-n", "9")), /b\n.* info {2}stopping signal=15\n$/);
});

test("a log that cannot be rotated is kept, and rotated when it can be", async (t) => {
  const user = new User(t, { env: { DROVER_IDLE_EXIT: "1" } });
  const log = path.join(user.data, "log");
  mkdirSync(path.join(user.data, "log.next"), { recursive: true, mode: 0o700 });
  writeFileSync(log, `${"a".repeat(99)}\n`.repeat(50_000));
  const { id } = JSON.parse(await user.ok("job", "run", "--detach", "--json", "--", "sleep", "99"));
  assert.match(user.log, /^a[^]*"what":"serving"/, "no file can be made: the old one stays");
  rmdirSync(path.join(user.data, "log.next"));
  await until("it is rotated", () => existsSync(`${log}.1`) && user.log.length < 1e6);
  assert.match(read(`${log}.1`), /^a[^]*"what":"serving"/);
  await user.ok("stop", id);
  await user.ok("shutdown");
});

test("a client that comes as the daemon ends starts another", async (t) => {
  const user = new User(t);
  mkdirSync(user.data, { mode: 0o700 });
  writeFileSync(path.join(user.data, "on-demand"), "drover ask (pid 1)");
  const ending = createServer((connection) => {
    ending.close(); // Takes the socket away, as a daemon that ends does.
    connection.destroy();
  });
  ending.listen(path.join(user.data, "drover.sock"));
  await once(ending, "listening");
  assert.equal(await user.ok("ps", "--json"), "");
  assert.equal(user.starts, 1);
});

test("commands that start none, and runs that may not", async (t) => {
  const user = new User(t);
  for (const args of [["status"], ["shutdown"], ["logs"], ["doctor"], ["ps", "--no-start"]]) {
    await user.cli(...args);
    assert.ok(!existsSync(user.data), args.join(" "));
  }
  const refused = await user.cli("ps", "--no-start");
  assert.equal(refused.code, UNREACHABLE);
  assert.match(refused.stderr, /^drover: no daemon serves .*; start one with 'drover serve/);
  const inside = await user.ok("job", "run", "--shell", "echo $DROVER_NO_START");
  assert.equal(inside, "1\n");
});

test("what keeps a daemon from starting is one sentence", { skip: process.getuid() !== 0 },
  async (t) => {
    const user = new User(t);
    const program = binForAll(t);
    const says = async (args, code, text, uid) => {
      const child = spawn(program, args, { env: user.env, uid, stdio: ["ignore", "pipe", "pipe"] });
      let said = "";
      child.stderr.on("data", (piece) => (said += piece));
      const [ended] = await once(child, "close");
      assert.equal(ended, code, said);
      assert.match(said, text);
      assert.equal(said.trimEnd().split("\n").length, 1, said);
    };
    chmodSync(user.folder, 0o755);
    await says(["ps"], 4, /data cannot be created: Permission denied/, NOBODY);
    mkdirSync(user.data, { mode: 0o755 });
    await says(["ps"], 4, /belongs to user root \(uid 0\), and its daemon must/, NOBODY);
    chownSync(user.data, NOBODY, NOBODY);
    await says(["ps"], 4, /belongs to user nobody \(uid 65534\)/);
    chownSync(user.data, 0, 0);
    await user.ok("ps");
    await says(["ps"], 4, /daemon of .* belongs to user root \(uid 0\), and its socket/, NOBODY);
    process.kill(user.pid, "SIGKILL");
    await until("it is dead", () => user.pid === undefined);
    await says(["ps", "--no-start"], UNREACHABLE, /is gone without a shutdown, and left its/);
  });

const mounts = spawnSync("unshare", ["-m", "true"]).status === 0;

test("a disk that is full, or read-only, is one sentence", { skip: !mounts }, async (t) => {
  const user = new User(t);
  mkdirSync(user.data, { mode: 0o700 });
  const onDisk = (size, then) => {
    const line = `mount -t tmpfs -o size=${size},mode=0700 tmpfs "$0" && ${then} && exec "$1" ps`;
    const words = ["-m", "sh", "-c", line, user.data, bin];
    return spawnSync("unshare", words, { env: user.env, encoding: "utf8" });
  };
  const full = onDisk("100k", 'head -c 90k /dev/zero > "$0/filler"');
  assert.equal(full.status, 7, full.stderr);
  assert.match(full.stderr, /^drover: the disk of .* is full: \d+ kB are .* \(disk_full\)\n$/);
  const fixed = onDisk("4m", 'mount -o remount,ro "$0"');
  assert.equal(fixed.status, 7, fixed.stderr);
  assert.match(fixed.stderr, /^drover: no daemon serves .*: Read-only file system \(.*\)\n$/);
});

test("a daemon that cannot start shows why in its log", async (t) => {
  const user = new User(t);
  mkdirSync(user.data, { mode: 0o700 });
  writeFileSync(path.join(user.data, "config.json"), '{"no_such": 1}');
  const end = await user.cli("ps");
  assert.equal(end.code, UNREACHABLE);
  assert.match(end.stderr, /log, ends with:\n.*unknown setting "no_such"[^]*has ended at once/);
  const tries = user.log.split("\n").filter((line) => line.includes("no_such"));
  assert.equal(tries.length, 1, "a command of two requests starts one daemon");
});

test("a daemon takes the variables that agents of the home ask for, and no others", async (t) => {
  const user = new User(t);
  const project = path.join(user.folder, "clone");
  const define = (folder, name, from) => {
    mkdirSync(path.join(folder, ".drover", "agents"), { recursive: true });
    writeFileSync(path.join(folder, ".drover", "agents", `${name}.json`), JSON.stringify({
      program: "plain", command: "sh", args: ["-c", "echo has $TOKEN", "--"],
      env: { TOKEN: { from } } }));
  };
  define(user.folder, "helper", "HELPER_TOKEN");
  define(project, "theirs", "OTHER_TOKEN");
  const ask = (name) => user.cli("ask", "--agent", name, "--root", project, "hello");
  const missing = await ask("helper");
  assert.notEqual(missing.code, 0);
  assert.match(missing.stderr, /the daemon has no variable HELPER_TOKEN, .*'drover restart'/);

  Object.assign(user.env, { HELPER_TOKEN: "of-the-terminal-77", OTHER_TOKEN: "x" });
  await user.ok("restart");
  assert.equal(await user.ok("ask", "--agent", "helper", "hello"), "has of-the-terminal-77\n");
  assert.match((await ask("theirs")).stderr, /has no variable OTHER_TOKEN/);
});
