// session-commands.test.mjs: the commands for sessions and turns, and those for the data directory.
//
// runs-with: release, san, postgres
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";

import { golden } from "./golden.mjs";
import { call, script, Talk, USAGE } from "./talk.mjs";

golden("ask", async (record) => {
  const daemon = await record.daemon();
  const cli = (...args) => record.cli(daemon, args);
  await cli("ask", script("think: I see.", "say: Hello.", USAGE));
  const { stdout } = await cli("ask", "--json", script("say: Hello.", USAGE));
  const { session, run } = JSON.parse(stdout);
  await cli("ask", "--session", session, script("say: Again.", USAGE));
  await record.cli(daemon, ["ask", "-"], { input: script("say: Read.", USAGE) });
  await cli("ask", "--session", "none", "x");
  await cli("ask", "fail: 400");
  await cli("ask", "--json", "fail: 400");
  const schema = '{"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}';
  await cli("ask", "--schema", schema, script('say: {"a": 1}', USAGE));
  await cli("ask", "--schema", "{", "x");
  await cli("ask", "--model", "none/such", "x");
  await cli("ask", "--image", path.join(record.folder, "none.png"), "x");
  for (const command of ["show", "attach", "trace", "job wait", "job logs"]) {
    await cli(...command.split(" "), run);
    await cli(...command.split(" "), run, "--json");
  }
  await cli("trace", session);
  await cli("trace", session, "--turn", "2", "--json");
  await cli("trace", session, "--turn", "9");
  await record.cli(daemon, ["chat", "--no-root"], {
    input: "say: One.\nsay: Two.\n/help\n/nonsense\n",
  });
  await record.cli(daemon, ["chat", "--session", "none"], { input: "say: One.\n" });
});

golden("approve", async (record) => {
  const daemon = await record.daemon();
  const cli = (...args) => record.cli(daemon, args);
  const talk = await Talk.begin(record, daemon);
  await cli("approve");
  await cli("approve", "--json");
  const write = (name) => call("write_file", { path: name, content: "new\n" });
  const question = call("ask_user", { question: "Which herd?", options: ["sheep", "goats"] });
  const steps = [write("a"), write("b"), question, "say: So."];
  const { run } = await talk.send(steps.map((line) => script(line, USAGE)).join("\nstep:\n"));
  const next = (type, name) =>
    talk.asked(run, type, ({ about }) => !name || about.subjects.includes(name));
  const first = await next("approval_asked", "a");
  await cli("approve");
  await cli("approve", "--json");
  await cli("ps");
  await cli("show", run);
  await cli("approve", first.id);
  await cli("approve", first.id);
  await cli("approve", first.id, "--deny");
  const second = await next("approval_asked", "b");
  await cli("approve", second.id, "--answer", "x");
  await cli("approve", second.id, "--deny", "--reason", "not now", "--json");
  const third = await next("question_asked");
  await cli("approve");
  await cli("approve", third.id);
  await cli("approve", third.id, "--answer", "goats");
  await talk.ended(run);
  await cli("approve", "none");
});

golden("session-commands", async (record) => {
  const daemon = await record.daemon();
  const cli = (...args) => record.cli(daemon, args);
  await cli("session", "ls");
  await cli("session", "ls", "--json");
  const { stdout } = await cli("session", "new", "--title", "A talk", "--project", "web");
  const id = stdout.trim();
  await cli("session", "new", "--json");
  await cli("ask", "--session", id, script("think: I see.", "say: Hello.", USAGE));
  await cli("session", "ls");
  await cli("session", "ls", "--json");
  await cli("session", "ls", "--project", "none");
  await cli("session", "ls", "--limit", "1", "--total");
  await cli("session", "search", "HELLO");
  await cli("session", "search", "HELLO", "--json");
  await cli("session", "search", "nothing");
  await cli("session", "show", id);
  await cli("session", "show", id, "--json");
  await cli("session", "show", id, "--messages");
  await cli("session", "show", id, "--messages", "--json");
  await cli("session", "show", "none");
  await cli("session", "rename", id, "Another");
  await cli("session", "rename", id, "Again", "--json");
  await cli("session", "rename", "none", "Another");
  await cli("session", "move", id, "shop");
  await cli("session", "move", id, "default", "--json");
  await cli("session", "export", id);
  await cli("session", "export", id, "--json");
  await cli("session", "fork", id);
  await cli("session", "fork", id, "--json");
  await cli("session", "compact", id);
  await cli("session", "compact", id, "--json");
  await cli("session", "rewind", id, "--conversation-only", "--preview");
  await cli("session", "rewind", id, "--conversation-only", "--json");
  await cli("session", "rewind", id, "--to", "none");
  await cli("session", "rewind", id, "--conversation-only", "--conversation");
  await cli("session", "archive", id);
  await cli("session", "archive", id, "--json");
  await cli("session", "ls", "--archived");
  const more = path.join(record.folder, "more");
  mkdirSync(more);
  await cli("root", "ls", id);
  await cli("root", "add", id, more);
  await cli("root", "add", id, more, "--write", "--json");
  await cli("root", "add", id, "/proc");
  await cli("root", "ls", id);
  await cli("root", "ls", id, "--json");
  await cli("root", "rm", id, more, "--json");
  await cli("root", "add", id, more);
  await cli("root", "rm", id, more);
  await cli("root", "rm", id, more);
  await cli("session", "clear", id);
  await cli("session", "clear", id, "--json");
  await cli("session", "rm", id);
  await cli("session", "rm", id);
  const other = JSON.parse((await cli("session", "new", "--json")).stdout).id;
  await cli("session", "rm", other, "--json");
});

/** What a system and a release are, which differs. */
const checks = (text) =>
  text
    .replace(/^(ok +versions ).*$/m, "$1 …")
    .replace(/^\w+ +((?:space|size) ).*$/gm, "…    $1 …")
    .replace(/^(ok +integrity +PostgreSQL ).*$/m, "$1…")
    .replace(/version (\d+) of \1\b/g, "version <n> of <n>")
    .replace(/^\w+ +(sandbox|cgroups) .*$/gm, "…    $1 …")
    .replace(/\d+ of \d+ file descriptors/, "<n> of <n> file descriptors");

const jsonChecks = (text) =>
  text
    .replace(/("(?:versions|space|size)","verdict":"ok","detail":)".*"/g, '$1"…"')
    .replace(/("integrity","verdict":"ok","detail":"PostgreSQL ).*"/, '$1…"')
    .replace(/version (\d+) of \1\b/g, "version <n> of <n>")
    .replace(/("(?:sandbox|cgroups)","verdict":)"\w+","detail":".*"/g, '$1"…","detail":"…"')
    .replace(/\d+ of \d+ file descriptors/, "<n> of <n> file descriptors");

/** Sizes of files depend on the file system, and on what was compiled. */
const sizes = (text) =>
  text
    .replace(/ +\d+(\.\d)? [kMGT]B/g, " <size>")
    .replace(/"(\w*bytes|files)":\d+/g, '"$1":<n>');

golden("data-directory", async (record) => {
  const daemon = await record.daemon();
  await record.cli(daemon, ["du"], { shown: sizes });
  await record.cli(daemon, ["du", "--json"], { shown: sizes });
  await record.cli(daemon, ["bugreport", "-o", path.join(record.folder, "report.txt")]);
  await record.cli(daemon, ["bugreport", "-o", path.join(record.folder, "report.txt")]);
  await record.cli(daemon, ["bugreport", "--json", "-o", path.join(record.folder, "other.txt")]);
  await record.cli(daemon, ["doctor"], { shown: checks });
  await record.cli(daemon, ["doctor", "--json"], { shown: jsonChecks });
  const copy = path.join(record.folder, "copy.db");
  const size = (text) => text.replace(/\d+ (bytes|pages|kB|MB)/g, "<n> $1");
  await record.cli(daemon, ["backup", copy], { shown: size });
  await record.cli(daemon, ["backup", copy]);
  await record.cli(daemon, ["backup", path.join(record.folder, "second.db"), "--json"], {
    shown: (text) => text.replace(/:\d+/g, ":<n>"),
  });
  const other = path.join(record.folder, "other");
  const restore = ["restore", copy, "--data", other];
  if (existsSync(copy)) await record.cli(daemon, restore, { shown: size });
  await record.cli(daemon, restore, { shown: size });
  await record.cli(daemon, ["restore", path.join(record.folder, "none.db"), "--data", `${other}2`]);
  writeFileSync(path.join(record.folder, "bad.db"), "no database");
  await record.cli(daemon, ["restore", path.join(record.folder, "bad.db"), "--data", `${other}3`]);
  await record.cli(daemon, ["doctor", "--data", other], { shown: checks });
  record.say("a start that is refused");
  await record.cli(daemon, ["serve"]);
  await record.cli(daemon, ["serve", "--listen", "0.0.0.0:0", "--data", other]);
  await record.cli(daemon, ["serve", "--listen", "nonsense", "--data", other]);
  await record.cli(daemon, ["serve", "--max-jobs", "none", "--data", other]);
  await record.cli(daemon, ["serve", "--log", "loud", "--data", other]);
  writeFileSync(path.join(record.folder, "config.json"), '{"listen": 7}');
  const config = ["--config", path.join(record.folder, "config.json")];
  await record.cli(daemon, ["serve", ...config, "--data", other]);
  await daemon.stop();
  await record.cli(daemon, ["doctor"], { shown: checks });
  await record.cli(daemon, ["ps"]);
  await record.cli(daemon, ["ps", "--json"]);
});
