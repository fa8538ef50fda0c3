// demo.test.mjs: `drover demo` keeps what it promises at a terminal, in a pipe and when it is left.
// runs-with: release, san
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { createInterface } from "node:readline";
import { describe, test } from "node:test";

import { AtTerminal } from "../../scripts/terminal.mjs";
import { bin, Daemon, plainEnv, root, run, scratch } from "./lib.mjs";
import { processesIn } from "./processes.mjs";
import { until } from "./providers.mjs";
import { scaled } from "./scale.mjs";

const SPEED = String(Math.max(1, Math.round(2000 / scaled(1000))));
const LIMIT = { timeout: scaled(60_000) };

/** The environment of a user whose keys, model and local servers all lead to a server of ours. */
async function ofTheUser(t) {
  const asked = [];
  const server = http.createServer((request, answer) => {
    asked.push(`${request.method} ${request.url}`);
    answer.end('{"data": [{"id": "of-the-user"}]}');
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const host = `127.0.0.1:${server.address().port}`;
  const env = { OLLAMA_HOST: host, LLAMACPP_HOST: host, DROVER_MODEL: "openai/of-the-user" };
  for (const name of ["OPENAI", "ANTHROPIC", "DEEPSEEK"]) {
    env[`${name}_API_KEY`] = "sk-of-the-user-0123456789";
    env[`${name}_BASE_URL`] = `http://${host}/v1`;
  }
  return { asked, env };
}

/** The demo at a terminal, and the folder in which it makes its directory. */
async function play(t, { columns, rows = 24, changed, words = [] }) {
  const tmp = scratch(t);
  const user = await ofTheUser(t);
  const env = { ...plainEnv, ...user.env, TMPDIR: tmp };
  const all = [bin, "demo", "--speed", SPEED, ...words];
  const demo = new AtTerminal(all, { columns, rows, env, changed });
  t.after(() => demo.child.kill("SIGKILL"));
  return { demo, tmp, asked: user.asked };
}

const nothingIsLeft = (tmp) => {
  assert.deepEqual(readdirSync(tmp), [], "the directory is gone");
  assert.deepEqual(processesIn(tmp), [], "no process is left");
};
const pidIn = (text) => Number(/kill -9 (\d+)$/.exec(text)?.[1]);
/** The lines of one sentence, however it was broken. */
const joined = (screen) => screen.text.join(" ").replaceAll(/\s+/g, " ");
/** How often the line stands on the screen and above it. */
const times = (screen, pattern) => screen.text.filter((line) => pattern.test(line)).length;

test("the picture of the README is small, has no script, and shows the kill", () => {
  const svg = readFileSync(path.join(root, "docs/demo.svg"), "utf8");
  assert.ok(svg.length < 200_000);
  assert.doesNotMatch(svg, /<script|href=|\son\w+=/i);
  for (const said of ["You killed the daemon", "Cleo, Dan", "no gap, no repeat"]) {
    assert.ok(svg.includes(said), said);
  }
});

describe("drover demo", { concurrency: 4 }, () => {
  for (const columns of [40, 80, 200]) {
    const name = `its reader kills the daemon at ${columns} columns, and nothing is lost`;
    test(name, LIMIT, async (t) => {
      let killed;
      const { demo, tmp, asked } = await play(t, {
        columns,
        changed: (screen) => {
          const pid = screen.text.map(pidIn).find((found) => found > 0);
          if (killed === undefined && pid && times(screen, /✓ Ben/) > 0) {
            killed = pid;
            process.kill(pid, "SIGKILL");
          }
        },
      });
      assert.equal(await demo.ended, 0, demo.screen.text.join("\n"));
      const text = joined(demo.screen);
      assert.ok(text.includes(`You killed the daemon (pid ${killed}) with SIGKILL.`), text);
      assert.match(text, /finished before, and not asked again: Ben; cut off, and/);
      assert.match(text, /cut off, and asked again: Ada ok the programs: running/);
      assert.match(text, /was dead: Cleo, Dan; each of the three was asked once, and its answer/);
      assert.match(text, /its answer is whole ok the chat: 3 answers/);
      assert.match(text, /the board: finn has done 3 tasks, each once/);
      assert.match(text, /in order, no gap, no repeat/);
      assert.match(text, /The answer of the workflow Eve: We release 1\.4 on Tuesday/);
      assert.match(text, /Where to go next/);
      // The terminal shows each picture at the place of the one before, and had no line to break.
      assert.equal(demo.screen.broken, 0);
      assert.equal(times(demo.screen, /^. release /), 1, demo.screen.text.join("\n"));
      assert.equal(times(demo.screen, /^. daemon serves, pid/), 1);
      assert.deepEqual(asked, [], "no provider of the user was asked");
      nothingIsLeft(tmp);
    });
  }

  test("in a pipe it kills the daemon itself, and tells each sentence once", LIMIT, async (t) => {
    const tmp = scratch(t);
    const env = { ...plainEnv, TMPDIR: tmp };
    const { code, stdout, stderr } = await run(["demo", "--speed", SPEED], { env });
    assert.equal(code, 0, stdout + stderr);
    assert.doesNotMatch(stdout, /\x1b|\r/);
    const lines = stdout.split("\n");
    const sentences = [
      "Five agents do, each with one question.",
      "It asks nobody again who had finished.",
      "Count the sentences, if you like.",
    ];
    for (const said of sentences) {
      assert.equal(lines.filter((line) => line === `chat, model: ${said}`).length, 1, said);
    }
    for (const name of ["Ada", "Ben", "Cleo", "Dan", "Eve"]) {
      assert.equal(lines.filter((line) => line.startsWith(`log: ${name}: `)).length, 1, name);
    }
    assert.match(stdout, /^Nobody dared: the demo itself has sent SIGKILL/m);
    assert.match(stdout, /^kill -9 it now, I dare you: kill -9 \d+$/m);
    nothingIsLeft(tmp);
  });

  test("with --json each line is an event, with --keep the directory stays", LIMIT, async (t) => {
    const tmp = scratch(t);
    const env = { ...plainEnv, TMPDIR: tmp };
    const { code, stdout } = await run(["demo", "--speed", SPEED, "--json", "--keep"], { env });
    const events = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
    assert.equal(code, 0, stdout);
    const end = events.at(-1);
    assert.deepEqual([end.event, end.as_promised, end.kills, end.worked_on],
      ["demo_finished", true, 1, "Cleo, Dan"]);
    /* On a busy machine Ada may be done, too, when the daemon is killed. */
    const names = (list) => list.split(", ").filter((name) => name !== "");
    assert.ok(names(end.not_asked_again).includes("Ben"), end.not_asked_again);
    assert.deepEqual([...names(end.not_asked_again), ...names(end.asked_again)].sort(),
      ["Ada", "Ben"]);
    for (const of of ["workflow", "chat"]) {
      const numbers = events.filter((event) => event.of === of).map(({ seq }) => seq);
      assert.deepEqual(numbers, numbers.map((_, at) => at + 1), `the events of the ${of}`);
    }
    const [folder, ...others] = readdirSync(tmp);
    assert.deepEqual(others, []);
    for (const name of ["Ben", "Cleo", "Dan"]) {
      const asked = readFileSync(path.join(tmp, folder, `asked-${name}`), "utf8");
      assert.match(asked, /^asked by process \d+\n$/, name);
    }
    assert.deepEqual(processesIn(tmp), []);
  });

  test("killed before its followers have reached the daemon, it plays on", LIMIT, async (t) => {
    const env = { ...plainEnv, TMPDIR: scratch(t) };
    const demo = spawn(bin, ["demo", "--speed", SPEED, "--json"], { env });
    t.after(() => demo.kill("SIGKILL"));
    const events = [];
    for await (const line of createInterface({ input: demo.stdout })) {
      events.push(JSON.parse(line));
      const { event, pid } = events.at(-1);
      const isFirst = events.filter((one) => one.event === "invitation").length === 1;
      if (event === "invitation" && isFirst) process.kill(pid, "SIGKILL");
    }
    const end = events.at(-1);
    assert.deepEqual([end.event, end.as_promised, end.kills, end.not_asked_again],
      ["demo_finished", true, 1, ""]);
    for (const of of ["workflow", "chat", "board"]) {
      const numbers = events.filter((event) => event.of === of).map(({ seq }) => seq);
      assert.deepEqual(numbers, numbers.map((_, at) => at + 1), `the events of the ${of}`);
    }
  });

  test("with --keep at a terminal it serves its page until Ctrl-C", LIMIT, async (t) => {
    const found = {};
    const ready = new Promise((resolve) => (found.link = resolve));
    const { demo, tmp } = await play(t, {
      columns: 200,
      rows: 60,
      words: ["--keep"],
      changed: (screen) => {
        const text = screen.text.join("\n");
        const link = /^ {2}(http:\/\/127\.0\.0\.1:\d+)\/#link=(\w{64})$/m.exec(text);
        if (link !== null && text.includes("Ctrl-C ends the daemon.")) found.link(link);
      },
    });
    const shown = () => demo.screen.text.join("\n");
    const ended = demo.ended.then((code) => assert.fail(`${code}: ${shown()}`));
    const [, origin, secret] = await Promise.race([ready, ended]);
    const { port } = new URL(origin);
    const ask = (method, target, more, body) => {
      const headers = { origin, ...more };
      return Daemon.prototype.request.call({ port }, method, target, { headers, body });
    };
    const signed = await ask("POST", "/api/v1/login", {}, { link: secret });
    assert.equal(signed.status, 201, signed.text);
    const headers = { authorization: `Bearer ${signed.json.key}` };
    const list = async (name) => (await ask("GET", `/api/v1/${name}`, headers)).json.items;
    assert.equal((await list("sessions")).some(({ title }) => title === "About the release"), true);
    assert.equal((await list("runs?kind=workflow")).length, 1);
    assert.match((await ask("GET", "/", {})).text, /<script/);
    // It can still be killed; the page stays signed in.
    const [folder] = readdirSync(tmp);
    const pidOf = () => Number(readFileSync(path.join(tmp, folder, "data/drover.lock"), "utf8"));
    process.kill(pidOf(), "SIGKILL");
    await until("the next daemon serves", () => list("runs").then(() => true, () => false));
    demo.type("\x03");
    assert.equal(await demo.ended, 0, shown());
    assert.match(joined(demo.screen), /Kept, for you to look at: .* drover open drover show/);
    assert.deepEqual(readdirSync(tmp), [folder]);
    assert.deepEqual(processesIn(tmp), []);
  });

  test("with --keep in a pipe it ends by itself, and shows no secret", LIMIT, async (t) => {
    const tmp = scratch(t);
    const env = { ...plainEnv, TMPDIR: tmp };
    const { code, stdout, stderr } = await run(["demo", "--speed", SPEED, "--keep"], { env });
    assert.equal(code, 0, stdout + stderr);
    const kept = stdout.slice(stdout.indexOf("\nKept, for you to look at: "));
    assert.match(kept, /^.*\n.*\n {2}drover serve .*\n.*\n {2}drover open\n/);
    assert.doesNotMatch(stdout, /#link=/);
    assert.deepEqual(processesIn(tmp), []);
  });

  test("Ctrl-C ends it with 130, and a narrower window is redrawn", LIMIT, async (t) => {
    let step = 0;
    const { demo, tmp } = await play(t, {
      columns: 80,
      changed: (screen) => {
        if (step === 0 && times(screen, /● Ben/) > 0) {
          step = 1;
          void demo.resize(40).then(() => (step = 2));
        } else if (step === 2 && times(screen, /✓ Ben/) > 0) { // Two programs run.
          step = 3;
          demo.type("\x03");
        }
      },
    });
    assert.equal(await demo.ended, 130, demo.screen.text.join("\n"));
    // What was drawn between the two sizes may stand above the picture that is true at last.
    const { text } = demo.screen;
    const last = text.slice(text.findLastIndex((line) => /^. release /.test(line)));
    for (const name of ["Ada", "Ben", "Cleo", "Dan"]) {
      assert.equal(last.filter((line) => line.includes(` ${name} `)).length, 1, text.join("\n"));
    }
    assert.ok(text.every((line) => line.length <= 40));
    nothingIsLeft(tmp);
  });
});
