// turns.test.mjs: what is told while turns go on: tools, approvals, questions, waits, policies.
//
// runs-with: release, san, postgres
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";

import { golden } from "./golden.mjs";
import { call, script, Talk, USAGE } from "./talk.mjs";

/** The steps of a turn, of which each takes what USAGE says. */
const steps = (...all) => all.map((lines) => script(...lines, USAGE)).join("\nstep:\n");

const STAYS = script("say: I begin.", "delay: 600s");

golden("tools", async (record) => {
  const daemon = await record.daemon();
  writeFileSync(path.join(record.root, "a.txt"), "one\ntwo\n");
  const permissions = [
    { tool: "delete_file", permission: "deny" },
    { tool: "run_command", permission: "allow" },
    { tool: "edit_file", permission: "allow" },
  ];
  const talk = await Talk.begin(record, daemon, { settings: { permissions, check: false } });
  const edit = { path: "a.txt", old_text: "two", new_text: "three" };
  const kept = { action: "create", topic: "build", title: "How", content: "Run it." };
  const { run } = await talk.send(steps(
    ["think: I look.", "say: A moment.", call("read_file", { path: "a.txt" })],
    [call("search_files", { pattern: "tw" })],
    [call("list_files", {})],
    [call("delete_file", { path: "a.txt" })],
    [call("edit_file", edit)],
    [call("edit_file", edit)],
    [call("no_such_tool", { a: 1 })],
    [call("read_file", { no_such: 1 })],
    [call("run_command", { command: "sh", args: ["-c", "echo out; exit 3"] })],
    [call("remember", kept)],
    [call("recall", { query: "run" })],
    [call("write_file", { path: "b.txt", content: "new\n" })],
    ["say: Done."],
  ));
  const { id } = await talk.asked(run);
  await talk.ask("GET", "approvals");
  await talk.ask("GET", `approvals/${id}`);
  await talk.ask("GET", `runs/${run}`);
  await talk.ask("GET", `sessions/${talk.session}`);
  await talk.until("changes_changed"); // Of the edit, so that the head is the same each time.
  await talk.ask("GET", `streams/${talk.stream}/events?snapshot=1&after=0&limit=1`);
  await talk.ask("POST", `approvals/${id}`, { decision: "allow" });
  await talk.ask("POST", `approvals/${id}`, { decision: "deny" });
  await talk.ended(run);
  await talk.events();
  await talk.ask("GET", `sessions/${talk.session}/messages`);
  await talk.ask("GET", `sessions/${talk.session}/timeline`);
  await talk.ask("GET", `runs/${run}/spans?kind=tool`);
  await talk.ask("GET", "approvals?all=1&total=1");
  await talk.ask("GET", "approvals?state=allowed&tool=write_file&q=B.TXT");
  await talk.ask("GET", "memory");
});

golden("approvals", async (record) => {
  const daemon = await record.daemon();
  const talk = await Talk.begin(record, daemon);
  const write = call("write_file", { path: "b.txt", content: "new\n" });
  const denied = await talk.send(script(write, USAGE, "say: Well.", USAGE));
  const first = await talk.asked(denied.run);
  await talk.ask("POST", `approvals/${first.id}`, { answer: "x" });
  await talk.ask("POST", `approvals/${first.id}`, { decision: "deny", reason: "not now" });
  await talk.ended(denied.run);
  const question = call("ask_user", { question: "Which herd?", options: ["sheep", "goats"] });
  const asked = await talk.send(script(question, USAGE, "say: That one.", USAGE));
  const second = await talk.asked(asked.run, "question_asked");
  await talk.ask("GET", `approvals/${second.id}`);
  await talk.ask("POST", `approvals/${second.id}`, { decision: "allow" });
  await talk.ask("POST", `approvals/${second.id}`, { answer: "goats" });
  await talk.ended(asked.run);
  const more = path.join(record.folder, "more");
  mkdirSync(more);
  const access = call("request_access", { path: more, access: "write", reason: "It is there." });
  const granted = await talk.send(script(access, USAGE, "say: Thanks.", USAGE));
  const third = await talk.asked(granted.run);
  await talk.ask("POST", `approvals/${third.id}`, { decision: "allow" });
  await talk.ended(granted.run);
  const stopped = await talk.send(script(write, USAGE));
  await talk.asked(stopped.run);
  await talk.ask("POST", `sessions/${talk.session}/stop`);
  await talk.ended(stopped.run);
  await talk.events();
  await talk.ask("GET", "approvals?all=1");
});

golden("sent-now", async (record) => {
  record.names.estimates = true;
  const daemon = await record.daemon();
  const talk = await Talk.begin(record, daemon, { root: "" });
  const first = await talk.send(STAYS);
  await talk.until("delta", (data) => data.run === first.run);
  const second = await talk.send(script("say: Second.", USAGE));
  const third = await talk.send(script("say: First.", USAGE));
  await talk.ask("POST", `messages/${third.message}/send_now`);
  await talk.ended(second.run);
  await talk.ask("POST", `messages/${third.message}/send_now`);
  await talk.ask("GET", `sessions/${talk.session}/messages?around=${second.message}&limit=2`);
});

golden("policies", async (record) => {
  record.names.estimates = true;
  const daemon = await record.daemon();
  const talk = await Talk.begin(record, daemon, { root: "" });
  const say = (body) => talk.ask("POST", `sessions/${talk.session}/messages`, body);
  const begun = (run) => talk.until("delta", (data) => data.run === run);
  const first = await talk.send(STAYS);
  await begun(first.run);
  const queued = (await say({ text: "say: Later." })).json;
  const removed = (await say({ text: "say: Never." })).json;
  await talk.ask("DELETE", `messages/${removed.message}`);
  await talk.ask("PATCH", `messages/${queued.message}`, { text: script("say: Edited.", USAGE) });
  await say({ text: "say: Now.", policy: "reject" });
  await say({ text: "say: Now.", policy: "steer", schema: { type: "string" } });
  await say({ text: "And this.", policy: "steer" });
  const { json } = await say({ text: STAYS, policy: "interrupt" });
  await talk.ended(queued.run);
  await begun(json.run);
  const back = (await say({ text: script("say: Instead.", USAGE), policy: "rollback" })).json;
  await talk.ended(back.run);
  await talk.ask("GET", `sessions/${talk.session}/messages?order=oldest`);
  await talk.events();
});

golden("steering", async (record) => {
  const daemon = await record.daemon();
  const talk = await Talk.begin(record, daemon);
  const write = call("write_file", { path: "b.txt", content: "new\n" });
  const { run } = await talk.send(script(write, USAGE, "say: Done.", USAGE));
  const { id } = await talk.asked(run);
  const steer = { text: "Be quick.", policy: "steer" };
  await talk.ask("POST", `sessions/${talk.session}/messages`, steer);
  await talk.ask("POST", `approvals/${id}`, { decision: "allow" });
  await talk.ended(run);
  await talk.events();
});

golden("failures", async (record) => {
  const daemon = await record.daemon();
  const talk = await Talk.begin(record, daemon, { root: "" });
  await talk.turn(script("say: half", "fail: cut x1", "say: whole", USAGE));
  await talk.turn("fail: 400");
  await talk.turn("fail: auth");
  await talk.turn("nonsense: this is no action\nfail: nonsense");
  await talk.turn(script("say: cut", "stop: length", USAGE));
  await talk.turn(script("stop: refused", USAGE));
  const schema = { type: "object", required: ["a"], properties: { a: { type: "integer" } } };
  await talk.turn(script("say: no JSON", USAGE, 'say: {"b": 1}', USAGE), { schema });
  const wrong = script(...Array.from({ length: 5 }, () => script("say: {}", USAGE, "step:")));
  await talk.turn(wrong, { schema });
  await talk.turn("fail: quota");
  await talk.events();
  await talk.ask("GET", `sessions/${talk.session}/spans`);
  await talk.ask("GET", "runs?state=failed&limit=1");
});

/** The shape of the usage that is told while a call goes on; its numbers are estimates. */
golden("so-far", async (record) => {
  record.names.estimates = true;
  const daemon = await record.daemon();
  const talk = await Talk.begin(record, daemon, { root: "" });
  const { run } = await talk.send("tokens: 100000 at 1000/s");
  const data = await talk.until("usage", (one) => one.so_far === true);
  await talk.ask("POST", `sessions/${talk.session}/stop`);
  await talk.ended(run);
  record.add(record.names.json(JSON.stringify({ ...data, step: 1 })));
});
