// world.mjs: a small world that the pictures of docs/images show: sessions, an ask, jobs, a
// terminal. Its model plays a script.
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";

import { Daemon, scratch } from "../../integration/lib.mjs";
import { reviewOf } from "./review.mjs";

const BEFORE = `int port_of(const char *text) {
    int port = 0;
    for (; *text != '\\0'; text++) {
        port = port * 10 + (*text - '0');
    }
    return port;
}
`;
const call = (tool, args) => `call: ${tool} ${JSON.stringify(args)}`;
const SCRIPT = { models: { demo: { turns: [
  { when: "port", steps: [
    ["think: A port beyond 65,535 must be refused, and a letter, too. The loop sees neither.",
      "say: I read the parser and its test first.", call("read_file", { path: "port.c" }),
      call("read_file", { path: "test.sh" })],
    [call("edit_file", { path: "port.c",
      old_text: "        port = port * 10 + (*text - '0');",
      new_text: "        if (*text < '0' || *text > '9' || port > 6553) {\n" +
        "            return -1;\n" +
        "        }\n        port = port * 10 + (*text - '0');" })],
    ["say: **Fixed.** `port_of` answers -1 for a text that is no port:\\n\\n" +
      "| text | before | now |\\n|---|---:|---:|\\n| `80` | 80 | 80 |\\n| `8o` | 143 | -1 |\\n" +
      "| `99999` | 99999 | -1 |\\n\\nOne case is open: `65536` still passes. Shall I add a test?"],
  ] },
  { when: "release", steps: [
    ["say: The notes are written. Before the tag I clean the build and run all tests.",
      call("run_command", { command: "rm -rf build && make test" })],
    ["say: All tests pass."],
  ] },
  { when: "docs", steps: [["say: Nine links were dead; each leads to its page again."]] },
] } } };

/** The daemon, a key, and the addresses of what there is. */
export async function world(t) {
  const root = path.join(scratch(t), "port-parser"), script = path.join(scratch(t), "script.json");
  mkdirSync(root);
  writeFileSync(path.join(root, "port.c"), BEFORE);
  writeFileSync(path.join(root, "test.sh"), "#!/bin/sh\nset -eu\n./port 80\n");
  writeFileSync(script, JSON.stringify(SCRIPT));
  const daemon = await new Daemon({ data: scratch(t), env: { DROVER_SCRIPT: script } }).start();
  t.after(() => daemon.kill());
  const { stdout } = await daemon.cli(["token", "create", "--scope", "read,run,approve,admin",
    "--label", "the desk"]);
  const ask = async (method, target, body) => {
    const answer = await daemon.request(method, `/api/v1${target}`, { local: true, body });
    if (answer.status >= 300) throw new Error(`${target}: ${answer.text}`);
    return answer.json;
  };
  const session = async (title, text) => {
    const { id } = await ask("POST", "/sessions", { title, root, settings: { edits: "allow" } });
    await ask("POST", `/sessions/${id}/messages`, { text });
    for (let state = "running"; state === "running";) {
      ({ state } = await ask("GET", `/sessions/${id}`));
    }
    return id;
  };
  await session("Dead links", "Look through the docs for links that lead nowhere, and fix them.");
  const release = await session("Release 1.4",
    "Write the notes of the release, then make the tag.");
  const fix = await session("Refuse what is no port",
    "port_of takes 8o for a number and 99999 for a port. Make it refuse both.");
  const job = async (label, command, ends = true) => {
    const { id } = await ask("POST", "/jobs", { label, cwd: root, argv: ["sh", "-c", command] });
    for (let state = "queued"; ends && ["queued", "running"].includes(state);) {
      ({ state } = await ask("GET", `/jobs/${id}`));
    }
    return id;
  };
  await job("docs-sweep", "echo 9 links fixed");
  const failed = await job("nightly",
    "for n in 1 2 3 4 5 6; do echo \"ok $n - case $n\"; done; " +
    "echo 'not ok 7 - takeover: no answer within 60 s'; exit 3");
  await job("soak",
    "for n in $(seq 4800 4812); do echo \"cycle $n, 0 errors\"; done; exec sleep 3600", false);
  const terminal = await ask("POST", "/jobs", { label: "shell", pty: true, cwd: root,
    argv: ["sh", "-c", "PS1='port-parser$ ' exec sh"] });
  for (let shown = ""; !shown.includes("port-parser$");) {
    const log = `/api/v1/jobs/${terminal.id}/logs?stream=pty`;
    ({ text: shown } = await daemon.request("GET", log, { local: true }));
  }
  await ask("POST", `/jobs/${terminal.id}/input`, { text: "cat port.c\n" });
  const { items: asks } = await ask("GET", "/approvals");
  const review = await reviewOf(ask, root);
  return { daemon, root, key: stdout.trim().split("\n")[0],
    of: { fix, release, review, failed, terminal: terminal.id, ask: asks[0].id } };
}
