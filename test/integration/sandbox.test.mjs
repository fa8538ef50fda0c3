// sandbox.test.mjs: jobs with "sandbox": "on", from the request to what they cannot reach. Each way
// out is tried by a job without the sandbox too: what fails there as well shows nothing.
import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";

import { Daemon, bin, run } from "./lib.mjs";
import { scaled } from "./scale.mjs";

const folder = mkdtempSync(path.join(tmpdir(), "drv-"));
const data = path.join(folder, "d");
const work = path.join(folder, "work");
const secret = path.join(folder, "webhook-secret");
for (const made of [data, work]) mkdirSync(made, { mode: 0o700 });
writeFileSync(secret, `${"5".repeat(64)}\n`, { mode: 0o600 });
writeFileSync(path.join(folder, "outside"), "outside\n");

const doctor = JSON.parse(
  (await run(["doctor", "--json", "--data", data])).stdout
    .split("\n")
    .find((line) => line.includes('"sandbox"')),
);
const skip = doctor.verdict === "ok" ? false : `no sandbox here: ${doctor.detail}`;
const landlock = Number(/landlock (\d+)/.exec(doctor.detail)?.[1] ?? 0);

let daemon;
before(async () => {
  daemon = await new Daemon({ data, args: ["--webhook-secret", secret] }).start();
});
after(async () => {
  if (daemon.running) await daemon.stop();
  rmSync(folder, { recursive: true, force: true });
});

const ask = (method, target, body) => daemon.request(method, target, { body, local: true });
const submit = (job) => ask("POST", "/api/v1/jobs", { cwd: work, ...job });
const show = async (id) => (await ask("GET", `/api/v1/jobs/${id}`)).json;

async function started(job) {
  const answer = await submit(job);
  assert.equal(answer.status, 201, answer.text);
  return answer.json.id;
}

/** Runs a line to its end: the run, with its output. */
async function ran(line, more = {}) {
  const id = await started({ shell: line, ...more });
  const waited = await daemon.cli(["job", "wait", id]);
  const out = (await daemon.cli(["job", "logs", id])).stdout;
  return { ...(await show(id)), code: waited.code, out };
}

/** Works outside of the sandbox, and not in it. */
async function held(line) {
  const inside = await ran(line, { sandbox: "on" });
  assert.equal(inside.cause, "exit_code", `it got out: ${line}\n${inside.out}`);
  const free = await ran(line);
  assert.equal(free.state, "succeeded", `it does not work anyway: ${line}\n${free.out}`);
}

const spool = (id) => path.join(data, "spool", `${id}.1`);

test("without a folder there is nothing to keep it in", async () => {
  const answer = await ask("POST", "/api/v1/jobs", { shell: "true", sandbox: "on" });
  assert.equal(answer.status, 400);
  assert.equal(answer.json.code, "missing_field");
  assert.match(answer.json.detail, /cwd/);
});

test("where it cannot be had it is refused, and nothing runs", async () => {
  const other = path.join(folder, "other");
  const open = await new Daemon({ data: other, args: ["--insecure-loopback"] }).start();
  try {
    const body = { shell: "touch ran", cwd: work, sandbox: "on" };
    const answer = await open.request("POST", "/api/v1/jobs", { body });
    assert.equal(answer.status, 501, answer.text);
    assert.equal(answer.json.code, "sandbox_unavailable");
    const lack = skip ? /landlock|seccomp|insecure/ : /--insecure-loopback/;
    assert.match(answer.json.detail, lack);
    assert.deepEqual((await open.request("GET", "/api/v1/jobs")).json.items, []);
    assert.equal(existsSync(path.join(work, "ran")), false);
  } finally {
    await open.stop();
  }
});

test("a kernel without landlock is told", { skip: !skip }, async () => {
  const answer = await submit({ shell: "true", sandbox: "on" });
  assert.equal(answer.json.code, "sandbox_unavailable");
});

describe("in the sandbox", { skip }, () => {
  test("a job works in its folder, and says that it was held", async () => {
    const job = await ran("echo hello >file && cat file", { sandbox: "on" });
    assert.equal(job.state, "succeeded", job.note);
    assert.equal(job.out, "hello\n");
    assert.equal(job.spec.sandbox, "on");
    assert.equal(job.result.sandbox, landlock);
    const shown = await daemon.cli(["show", job.id]);
    assert.match(shown.stdout, new RegExp(`^sandbox +on \\(landlock ${landlock}\\)$`, "m"));
    const free = await ran("true");
    assert.equal("sandbox" in free.result, false);
  });

  test("the command line asks for it by --sandbox", async () => {
    const outside = path.join(folder, "by-cli");
    const args = ["job", "run", "--cwd", work, "--sandbox", "--", "touch", outside];
    const run = await daemon.cli(args);
    assert.equal(run.code, 1, run.stderr);
    assert.match(run.stderr, /Permission denied/);
    assert.equal(existsSync(outside), false);
  });

  test("home and temporary files are its own, and go with it", async () => {
    const job = await ran(
      'echo "$HOME $TMPDIR ${DROVER_DATA-none}"; echo x >$HOME/.cache && mktemp',
      { sandbox: "on" },
    );
    assert.equal(job.state, "succeeded");
    const tmp = path.join(spool(job.id), "tmp");
    assert.equal(job.out.split("\n")[0], `${tmp} ${tmp} none`);
    for (let i = 0; existsSync(tmp) && i < scaled(600); i++) {
      await new Promise((r) => setTimeout(r, 100));
    }
    assert.equal(existsSync(tmp), false);
    assert.ok(readdirSync(spool(job.id)).includes("exit.json"));
  });

  test("what the request sets in the environment stays as it is", async () => {
    const env = { HOME: "/nowhere", TMPDIR: work };
    const job = await ran('echo "$HOME $TMPDIR"', { sandbox: "on", env });
    assert.equal(job.out, `/nowhere ${work}\n`);
  });

  test("drover's own files are out of sight", async () => {
    writeFileSync(path.join(data, "notes"), "x");
    await held(`cat ${data}/notes`);
    await held(`ls ${data}`);
    await held(`ls ${data}/spool`);
    await held(`head -c 1 ${data}/libexec/*/holder`);
    await held(`cat ${secret}`);
    await held(`echo x >>${data}/notes`);
    await held(`ln -s ${data} d; cat d/notes; code=$?; rm d; exit $code`);
    await held(`cat /proc/self/root${data}/notes`);
    await held(`cat /proc/self/cwd/../d/notes`);
  });

  test("nothing outside of its folder is written", async () => {
    const outside = path.join(folder, "outside");
    await held(`echo x >>${outside}`);
    await held("echo x >>../outside");
    await held(`echo x >>/proc/self/root${outside}`);
    await held(`touch f; mv f ${folder}/f && mv ${folder}/f .`);
    await held(`ln ${outside} o && echo x >>o; code=$?; rm -f o; exit $code`);
    assert.match(readFileSync(outside, "utf8"), /^outside\n(x\n){4}$/);
  });

  test("the daemon's socket is not reached, and its port wants a token", async () => {
    await held(`DROVER_DATA=${data} ${bin} ps`);
    const perl =
      `use Socket; socket(S, AF_UNIX, SOCK_STREAM, 0) or exit 1;` +
      ` connect(S, pack_sockaddr_un("d/drover.sock")) or exit 2;`;
    await held(`cd .. && perl -e '${perl}'`);
    const line =
      `use Socket; socket(S, AF_INET, SOCK_STREAM, 0) or exit 1;` +
      ` connect(S, pack_sockaddr_in(${daemon.port}, inet_aton("127.0.0.1"))) or exit 2;` +
      ` $| = 1; select(S); $| = 1; print S "GET /api/v1/runs HTTP/1.0\\r\\nHost: localhost:` +
      `${daemon.port}\\r\\n\\r\\n"; print STDOUT scalar <S>;`;
    const job = await ran(`perl -e '${line}'`, { sandbox: "on" });
    assert.match(job.out, / 401 /);
  });

  test("sockets of other jobs' holders are not reached", async () => {
    const other = await started({ shell: "read line; echo got $line", stdin_open: true });
    const perl =
      `use Socket; socket(S, AF_UNIX, SOCK_STREAM, 0) or exit 1;` +
      ` connect(S, pack_sockaddr_un("${other}.1/sock")) or exit 2;`;
    await held(`cd ${data}/spool && perl -e '${perl}'`);
    await ask("POST", `/api/v1/jobs/${other}/stop`);
  });

  test("the daemon's process is not looked into", async () => {
    const { pid } = daemon.child;
    const fds = readdirSync(`/proc/${pid}/fd`);
    const at = fds.find((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith(`${data}/`));
    assert.ok(at, "the daemon holds a file of its data directory open");
    await held(`readlink /proc/${pid}/fd/${at}`);
    await held(`[ -e /proc/${pid}/fd/${at} ] && : </proc/${pid}/fd/${at}`);
    await held(`tr '\\0' '\\n' </proc/${pid}/environ | grep -q PATH`);
    await held(`ls /proc/${pid}/cwd/`);
    if (process.arch === "x64") {
      const seize = `syscall(101, 0x4206, ${pid}, 0, 0) == 0 or exit 1`;
      await held(`perl -e '${seize}'`);
    }
    assert.ok(daemon.running);
  });

  const scopes = landlock >= 6 ? false : "landlock judges signals from ABI 6 on";
  test("nor does it get signals", { skip: scopes }, async () => {
    await held(`kill -0 ${daemon.child.pid}`);
  });

  test("a folder around drover's data is refused, and the note says why", async () => {
    for (const cwd of [folder, data, path.join(data, "spool"), "/"]) {
      const job = await ran("true", { sandbox: "on", cwd });
      assert.equal(job.state, "failed");
      assert.equal(job.cause, "not_started");
      assert.equal(job.result.step, "sandbox_cwd");
      assert.match(job.note, /another cwd/);
    }
  });

  test("it outlives the daemon like every other job", async () => {
    const gate = path.join(work, "gate");
    const line = `while [ ! -e gate ]; do sleep 0.05; done; echo x >${folder}/late || echo held`;
    const id = await started({ shell: line, sandbox: "on" });
    while (!existsSync(path.join(spool(id), "claim"))) await new Promise((r) => setTimeout(r, 20));
    await daemon.kill();
    await daemon.start();
    writeFileSync(gate, "");
    await daemon.cli(["job", "wait", id]);
    const job = await show(id);
    assert.equal(job.state, "succeeded");
    assert.equal(job.attempts, 1);
    assert.equal((await daemon.cli(["job", "logs", id])).stdout, "held\n");
    assert.equal(existsSync(path.join(folder, "late")), false);
  });

  test("a job that waited is not run by a daemon that cannot hold it", async () => {
    const other = path.join(folder, "changed");
    const keyed = { cwd: work, key: "k", sandbox: "on" };
    let second = await new Daemon({ data: other }).start();
    const post = (body) => second.request("POST", "/api/v1/jobs", { body, local: true });
    const first = (await post({ ...keyed, shell: "sleep 300" })).json.id;
    const { id, state } = (await post({ ...keyed, shell: "touch changed" })).json;
    assert.equal(state, "queued");
    await second.stop();
    second = await new Daemon({ data: other, args: ["--insecure-loopback"] }).start();
    try {
      await second.cli(["job", "stop", first]);
      await second.cli(["job", "wait", id]);
      const job = (await second.request("GET", `/api/v1/jobs/${id}`)).json;
      assert.equal(job.cause, "not_started");
      assert.match(job.note, /--insecure-loopback/);
      assert.equal(existsSync(path.join(work, "changed")), false);
    } finally {
      await second.stop();
    }
  });

  test("what a killed holder left goes with the run", async () => {
    const deep = "i=0; while [ $i -lt 60 ]; do mkdir d && cd d; i=$((i+1)); done";
    const line =
      `cd $TMPDIR; mkdir -p shut/in; (${deep}); chmod 0 shut; touch ready;` + " exec sleep 300";
    const id = await started({ shell: line, sandbox: "on" });
    const tmp = path.join(spool(id), "tmp");
    while (!existsSync(path.join(tmp, "ready"))) await new Promise((r) => setTimeout(r, 20));
    const [, pid] = readFileSync(path.join(spool(id), "claim"), "utf8").split(" ");
    process.kill(Number(pid), "SIGKILL");
    await daemon.cli(["job", "wait", id]);
    assert.equal((await show(id)).cause, "holder_killed");
    assert.ok(existsSync(tmp));
    const removed = await daemon.cli(["job", "rm", id]);
    assert.equal(removed.code, 0, removed.stderr);
    for (let i = 0; existsSync(spool(id)) && i < scaled(600); i++) {
      await new Promise((r) => setTimeout(r, 100));
    }
    assert.equal(existsSync(spool(id)), false);
  });
});

test("what a model runs is kept inside, where a token guards the API", { skip }, async () => {
  const settings = { permissions: [{ permission: "allow" }] };
  const body = { model: "scripted/demo", root: work, settings };
  const made = await ask("POST", "/api/v1/sessions", body);
  assert.equal(made.status, 201, made.text);
  const lines = [
    "echo inside > inside",
    `echo out > ${path.join(folder, "escaped")}`,
    `head -c 6 ${path.join(data, "drover.db")}`,
  ];
  const calls = lines.map((line) =>
    `call: run_command ${JSON.stringify({ command: "sh", args: ["-c", line] })}`);
  const target = `/api/v1/sessions/${made.json.id}/messages`;
  const said = await ask("POST", `${target}?wait=60`, { text: [...calls, "say: so"].join("\n") });
  assert.deepEqual([said.json.state, said.json.text], ["succeeded", "so"], said.text);
  const { items } = (await ask("GET", target)).json;
  const cards = items[0].parts.filter((part) => part.kind === "tool");
  const results = cards.map((card) => JSON.parse(card.text));
  assert.deepEqual(results.map((result) => result.exit_code === 0), [true, false, false]);
  assert.ok(results.every((result) => !result.stdout.includes("SQLite")));
  assert.equal(readFileSync(path.join(work, "inside"), "utf8"), "inside\n");
  assert.ok(!existsSync(path.join(folder, "escaped")));
});
