// notify.test.mjs: the command that tells a person of questions, ends and stalls.
//
// runs-with: release
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { Daemon, scratch } from "./lib.mjs";
import { until } from "./providers.mjs";
import { call, script } from "./turns.mjs";

const KEY = "sk-of-the-daemon-0123456789";

async function daemonOf(t, ...more) {
  const folder = scratch(t);
  const args = ["--insecure-loopback", ...more];
  const env = { OPENAI_API_KEY: KEY, MY_PLAIN: "plain secret words" };
  const daemon = await new Daemon({ data: path.join(folder, "d"), args, env }).start();
  t.after(() => daemon.kill());
  return { daemon, folder };
}

const post = async (daemon, target, body) => {
  const answer = await daemon.request("POST", `/api/v1/${target}`, { body });
  assert.ok(answer.status < 300, answer.text);
  return answer.json;
};
const set = async (daemon, argv) => {
  const { code, stderr } = await daemon.cli(["config", "set", "notify_command", argv]);
  assert.equal(code, 0, stderr);
};

/** Each call of the command writes its words and its environment into a file of its own. */
function recorder(folder) {
  const program = path.join(folder, "tell");
  const lines = [
    "#!/bin/sh",
    `n=0; while [ -e ${folder}/told.$n ]; do n=$((n + 1)); done`,
    `{ printf '%s|' "$@"; echo; env; } > ${folder}/new && mv ${folder}/new ${folder}/told.$n`,
  ];
  writeFileSync(program, `${lines.join("\n")}\n`, { mode: 0o755 });
  const file = (n) => path.join(folder, `told.${n}`);
  const told = async (n) => {
    await until(`notification ${n}`, () => existsSync(file(n)));
    const [words, ...env] = readFileSync(file(n), "utf8").trimEnd().split("\n");
    return { words: words.split("|"), env };
  };
  const words = ["{event}", "{run}", "{title}", "{text}", "a{b}", "{link}"];
  return { argv: JSON.stringify([program, ...words]), told };
}

test("questions, ends and failures come together, without keys, and again after a crash",
  async (t) => {
    const { daemon, folder } = await daemonOf(t, "--notify-after", "0");
    const { argv, told } = recorder(folder);
    await set(daemon, argv);
    await post(daemon, "jobs", { argv: ["false"], label: "nightly" });
    await post(daemon, "jobs", { argv: ["true"], label: "backup" });
    await post(daemon, "jobs", { argv: ["true"], label: `$(touch ${folder}/no) sk-0123456789abc` });
    const { id } = await post(daemon, "sessions", {});
    const text = script(call("ask_user", { question: "Which one?\nThis?" }), "say: So.");
    const { run } = await post(daemon, `sessions/${id}/messages`, { text });

    const all = []; // One, but on a machine on which a second is short.
    const heard = (pattern) => all.some(({ words }) => pattern.test(`${words[2]}: ${words[3]}`));
    const expected = [
      /drover has a question: Which one\? This\?/,
      /job failed: nightly: .*exit code/,
      /job finished: backup: /,
      /job finished: \$\(touch .*\) \[removed\]: /,
    ];
    while (!expected.every(heard)) all.push(await told(all.length));
    assert.ok(all.length <= expected.length);
    const first = all.find(({ words }) => words[0] === "asked");
    assert.equal(first.words[1], run);
    assert.equal(first.words[4], "a{b}");
    const [{ id: asked }] = (await daemon.request("GET", "/api/v1/approvals")).json.items;
    assert.equal(first.words[5], `${daemon.url}/inbox/${asked}`);
    assert.ok(!existsSync(path.join(folder, "no")));
    const named = first.env.map((line) => line.split("=")[0]);
    for (const name of ["DROVER_EVENT", "DROVER_RUN", "DROVER_TITLE", "DROVER_TEXT",
      "DROVER_LINK", "PATH"]) {
      assert.ok(named.includes(name), name);
    }
    assert.ok(first.env.includes(`DROVER_RUN=${run}`));
    assert.ok(!first.env.some((line) => line.includes(KEY) || line.includes("plain secret")));

    await daemon.kill(); // The question is open still.
    await daemon.start();
    const second = await told(all.length);
    assert.deepEqual(second.words.slice(0, 2), ["asked", run]);
    assert.doesNotMatch(second.words[3], /nightly/);
  });

test("a command that hangs is ended with its children, a failure is logged once", async (t) => {
  const [slow, absent] = await Promise.all([daemonOf(t), daemonOf(t)]);
  const pid = path.join(slow.folder, "pid");
  const line = `sleep 600 & echo $! > ${pid}.new; mv ${pid}.new ${pid}; wait`;
  await set(slow.daemon, JSON.stringify(["sh", "-c", line]));
  await set(absent.daemon, '["/nonexistent/program", "{text}"]');
  for (const { daemon } of [slow, absent]) {
    await post(daemon, "jobs", { argv: ["true"] }); // Short, and a success: not told.
    await post(daemon, "jobs", { argv: ["false"] });
  }
  const lines = () => absent.daemon.log.split("\n");
  const failed = () => lines().filter((one) => one.includes("notify_command"));
  await until("a line about the program", () => failed().length > 0);
  assert.match(failed()[0], /could not be started/);
  await post(absent.daemon, "jobs", { argv: ["false"] });

  await until("the command runs", () => existsSync(pid));
  await post(slow.daemon, "jobs", { argv: ["true"] }); // Nothing waits for the command.
  await until("it is ended", () => slow.daemon.log.includes("took over 10 s"));
  const child = Number(readFileSync(pid, "utf8"));
  // Process 1 may not have taken the dead child yet.
  const isGone = () => {
    try {
      return / Z /.test(readFileSync(`/proc/${child}/stat`, "utf8"));
    } catch {
      return true;
    }
  };
  await until("its child is gone", isGone);
  assert.equal(failed().length, 1);
});

test("the setting is an array of words, shown, refused and taken back", async (t) => {
  const { daemon } = await daemonOf(t);
  await set(daemon, '["notify-send", "{title}", "{text}"]');
  const shown = await daemon.cli(["config", "get", "notify-command"]);
  assert.equal(shown.stdout, '["notify-send","{title}","{text}"]\n');
  await daemon.kill();
  await daemon.start();
  const { json } = await daemon.request("GET", "/api/v1/settings");
  assert.deepEqual(json.notify_command, ["notify-send", "{title}", "{text}"]);
  for (const value of ["notify-send", '"notify-send"', "[]", '[""]', "[1]", '{"a":1}',
    JSON.stringify(["x".repeat(5000)]), JSON.stringify(Array(33).fill("x"))]) {
    const { code, stderr } = await daemon.cli(["config", "set", "notify_command", value]);
    assert.equal(code, 2, value.slice(0, 40));
    assert.match(stderr, /notify_command/);
  }
  await daemon.cli(["config", "set", "notify_command", "--reset"]);
  const after = await daemon.request("GET", "/api/v1/settings");
  assert.equal(after.json.notify_command, null);
});

test("notify_on chooses the events of the command, and public_url where links lead", async (t) => {
  const { daemon, folder } = await daemonOf(t, "--notify-after", "0");
  const { argv, told } = recorder(folder);
  await set(daemon, argv);
  for (const [key, value] of [["public_url", "https://my.host"], ["notify_on", '["failed"]']]) {
    const { code, stderr } = await daemon.cli(["config", "set", key, value]);
    assert.equal(code, 0, stderr);
  }
  await post(daemon, "jobs", { argv: ["true"], label: "backup" });
  const { id } = await post(daemon, "jobs", { argv: ["false"], label: "nightly" });
  const { words } = await told(0);
  assert.deepEqual(words.slice(0, 2), ["failed", id]);
  assert.doesNotMatch(words.join(), /backup/);
  assert.equal(words[5], `https://my.host/r/${id}`);
});
