// standin.mjs: stands in for programs that are agents: prints the lines that they print, so that
// tests need none of them. How each line looks was recorded from the real ones (docs/agents.md).
//
//   node standin.mjs claude|codex|opencode|kilo|pi|lines ARGS…     (lines: JSON lines of its own)
//
// The prompt names its acts, in words:
//
//   TOOL        uses a tool              ASK       asks before it does (claude)
//   FAIL401     its provider answers so  CRASH     exits with 3 before it answers
//   NAMES(N)    with FAIL429: the provider says that it may be asked again after N seconds
//   SLOW        says "one ", waits until a file `go` is in its folder, says "two"
//   MISS        misses the schema of the first answer
//   QUIT        exits with 0 before it answers, twice
//   ALWAYS      the same whenever it goes on with this prompt
//   FALTER      uses a tool, and is killed by a signal, three times (claude)
//   DIE         is killed by a signal, whenever it goes on with this prompt
//   LEAVE       leaves a process behind that has a session of its own; `left` has its pid
//   LITTER      leaves three: in a session of its own, of a parent that has ended (and without
//               environment), and a tool that runs; `left` has a line for each pid
//   MODE(NAME)  says that it works in that permission mode (claude)
//   EDIT(NAME)  asks whether it may write that file, and does so (claude); ./NAME: by that path
//   WITHDRAW    with ASK: takes the question back once a file `go` is in its folder, and goes on
//   HUGE        asks with arguments of more than a megabyte (claude)
//   HANG        says "one ", and nothing more, whenever it goes on with this prompt
//   COMPACT     the same while it makes a summary of its conversation (claude, pi)
//   BUSY        says "one ", computes without a word until a file `go` is in its folder
//   EAT         takes 256 MB of memory
//   LOOP        asks its model again and again
//   GATE(NAME)  says "one ", waits until a file NAME is beside its sessions, says twenty words more
//   WRITE       writes the file `made` into its folder
//   SPILL       leaves a file in its folder for temporary ones; `spilt` has its variables
//   SERVE       begins a command that still runs when it ends (codex)
//   LONG        has an answer of 8 MB
//   PICTURE     with TOOL: the result has a picture of 2 MB, too (claude)
//   RUN COMMAND at the begin of a line: runs it by a shell; the last line of what it says is said.
//               A session that was interrupted runs those that it was given last
//   VERDICT(accept), VERDICT(reject: WHY), VERDICT(nothing): as the answer to a review
//   VERDICT(2: WHY)  rejects the first two results of the task, which are counted in the folder
//   MANY(N)     says a word and uses a tool, N times (lines)
//
// claude takes messages while it works, as the real one does (src/agent/claude.c). Each message
// that reaches its input is a line of a file beside its sessions: their folder's name and `.heard`.
//
// Its sessions are files in .standin of its folder, or in the folder $STANDIN_SESSIONS, with a line
// for each prompt. It goes on in none whose file is gone.
import { spawn, spawnSync } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";

const [kind, ...args] = process.argv.slice(2);
const after = (name) => args[args.indexOf(name) + 1];
const line = (object) => process.stdout.write(`${JSON.stringify(object)}\n`);
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const sessions = process.env.STANDIN_SESSIONS ?? ".standin";

let todo = []; // Commands.
let doomed = false, quits = 0, hangs = false, falters = false; // Also where it goes on with it.
const LOST = { claude: "No conversation found with session ID: 1", opencode: "Session not found",
               kilo: "Session not found",
               codex: "thread/resume failed: no rollout found for thread id 1 (code -32600)",
               pi: "No session found matching '1'" };
const resumes = () => ["--resume", "--session", "resume"].some((word) => args.includes(word));

/** Without what an earlier turn ended without: nothing is done for that. */
const newest = (prompt) => prompt.replace(
  /^(Before, this was said|You are in the middle of a conv).*Now the user says:\s+/s, "");

function remember(session, prompt) {
  mkdirSync(sessions, { recursive: true });
  const file = `${sessions}/${session}`;
  if (resumes() && !existsSync(file)) {
    const type = "result", subtype = "error_during_execution";
    if (kind === "claude") line({ type, subtype, is_error: true });
    process.stderr.write(`${LOST[kind]}\n`);
    process.exit(1);
  }
  appendFileSync(file, `${prompt.replaceAll("\n", " ")}\n`);
  todo = judges(prompt) ? [] : [...prompt.matchAll(/^RUN (.+)$/gm)].map(([, command]) => command);
  const runs = `${sessions}.runs`;
  if (todo.length > 0) appendFileSync(runs, `${JSON.stringify([session, todo])}\n`);
  else if (prompt.includes("interrupted") && existsSync(runs)) {
    todo = readFileSync(runs, "utf8").trim().split("\n").map((one) => JSON.parse(one))
      .findLast(([whose]) => whose === session)?.[1] ?? [];
  }
  const all = readFileSync(file, "utf8").trim().split("\n");
  const asked = newest(all.findLast((one) => !one.startsWith("You were interrupted")) ?? "");
  [doomed, hangs, falters] = ["DIE", "HANG", "FALTER"].map((word) => asked.includes(word));
  quits = !asked.includes("QUIT") ? 0 : asked.includes("ALWAYS") ? Infinity : 2;
  return all.length;
}

const silence = () => new Promise(() => setInterval(() => {}, 1 << 30));

/** `request`: the lines of one that is answered. */
async function act(asked, say, request = () => {}) {
  const prompt = newest(asked);
  if (doomed) process.kill(process.pid, "SIGKILL");
  if (prompt.includes("CRASH") && !prompt.includes("interrupted")) {
    process.stderr.write("Segmentation fault\n");
    process.exit(3);
  }
  const number = 1 + Number(/interruption (\d+) of/.exec(prompt)?.[1] ?? 0);
  if (number <= quits) process.exit(0);
  if (prompt.includes("LEAVE")) {
    const left = spawn("sleep", ["300"], { detached: true, stdio: "ignore" });
    writeFileSync("left", `${left.pid}`);
    left.unref();
  }
  if (prompt.includes("LITTER")) {
    const options = { stdio: "ignore" };
    const made = [spawn("sleep", ["300"], { ...options, detached: true }),
      spawn("sleep", ["300"], options)];
    for (const one of made) one.unref();
    spawnSync("setsid", ["sh", "-c", "env -i sleep 300 & echo $! >orphan"], options);
    const pids = [...made.map(({ pid }) => pid), readFileSync("orphan", "utf8").trim()];
    writeFileSync("left", pids.map((pid) => `${pid}\n`).join(""));
  }
  for (const command of todo.splice(0)) {
    const { stdout } = spawnSync("sh", ["-c", command], { encoding: "utf8" });
    say(stdout.trim().split("\n").at(-1).slice(0, 200));
  }
  if (prompt.includes("SLOW")) {
    say("one ");
    while (!existsSync("go")) await wait(20);
    say("two");
  }
  if (prompt.includes("COMPACT")) {
    line(kind === "pi" ? { type: "compaction_start", reason: "threshold" }
      : { type: "system", subtype: "status", status: "compacting" });
    await silence();
  }
  if (hangs || prompt.includes("BUSY")) say("one ");
  if (hangs) await silence();
  if (prompt.includes("BUSY")) {
    while (!existsSync("go")); // No await: it computes.
  }
  if (prompt.includes("EAT")) {
    const eaten = Buffer.alloc(256 << 20, 1);
    await silence();
    say(`${eaten.length}`);
  }
  while (prompt.includes("LOOP")) {
    request();
    await wait(1);
  }
  const gate = /GATE\((.+?)\)/.exec(prompt)?.[1];
  if (gate !== undefined) {
    say("one ");
    while (!existsSync(`${sessions}/../${gate}`)) await wait(10);
    for (let i = 0; i < 20; i++) {
      say(`${i} `);
      await wait(3);
    }
  }
  if (prompt.includes("SPILL")) {
    const { TMPDIR, TMP, TEMP } = process.env;
    writeFileSync(`${TMPDIR}/lib.so`, "x".repeat(1000));
    writeFileSync("spilt", JSON.stringify([TMPDIR, TMP, TEMP]));
    while (!existsSync("go")) await wait(20);
  }
  if (prompt.includes("WRITE")) writeFileSync("made", `by ${kind}\n`);
}

/** Words; JSON where the prompt has a schema and does not say MISS, or has faults of an answer. */
const judges = (prompt) => prompt.includes('"accept"');

function verdict(prompt) {
  const [, said, why] = /VERDICT\((\w+)(?:: (.+?))?\)/.exec(prompt) ?? [];
  if (said === "nothing") process.exit(4);
  const counts = `${sessions}.verdicts`, task = /T-\d+/.exec(prompt)?.[0];
  if (Number(said) >= 0) appendFileSync(counts, `${task}\n`);
  const isEnough = Number(said) >= 0 &&
    readFileSync(counts, "utf8").split("\n").filter((one) => one === task).length > Number(said);
  return JSON.stringify({ accept: said === "accept" || isEnough, reasons: why ? [why] : [] });
}

function answer(prompt, number) {
  if (judges(prompt)) return verdict(prompt);
  const json = prompt.includes("must be JSON that fits") ||
    (prompt.includes("JSON Schema") && !prompt.includes("MISS"));
  const more = newest(prompt).includes("LONG") ? ` ${"long".repeat(2 << 20)}` : "";
  return json ? JSON.stringify({ turn: number, by: kind }) : `turn ${number} of ${kind}${more}`;
}

const failure = (prompt) => judges(prompt) ? 0 : Number(/FAIL(\d+)/.exec(prompt)?.[1] ?? 0);
const named = (prompt) => Number(/NAMES\((\d+)\)/.exec(prompt)?.[1] ?? 0);

// --- claude: JSON lines both ways ----------------------------------------------------------------

async function claude() {
  const session = args.includes("--resume") ? after("--resume") : after("--session-id");
  const messages = [], answers = []; // Not read yet.
  let ended = false, wake = () => {};
  const input = createInterface({ input: process.stdin });
  input.on("line", (text) => {
    const one = JSON.parse(text);
    (one.type === "user" ? messages : answers).push(one);
    const words = JSON.stringify(one.message?.content);
    if (words !== undefined) appendFileSync(`${sessions}.heard`, `${words}\n`);
    wake();
  });
  input.on("close", () => wake(ended = true));
  const some = async (queue) => {
    while (queue.length === 0 && !ended) await new Promise((resolve) => (wake = resolve));
    return queue.length > 0;
  };
  const echo = ({ message, uuid }) => line({ type: "user", message, uuid, isReplay: true });
  let last, number; // The message that is answered; it is echoed with the first whole answer.
  /** Reads all messages that have come: their words. */
  const readAll = () => {
    const all = messages.splice(0);
    for (const { message } of all) number = remember(session, message.content);
    all.slice(0, -1).forEach(echo);
    last = all.at(-1);
    return all.map(({ message }) => message.content);
  };
  const assistant = (block) => {
    if (last) echo(last);
    last = null;
    line({ type: "assistant", message: { content: [block] } });
  };
  await some(messages);
  const [prompt] = readAll();
  const result = (members) => line({ type: "result", subtype: "success", is_error: false,
    num_turns: 1, session_id: session, total_cost_usd: 0.0125,
    usage: { input_tokens: 100, cache_read_input_tokens: 20, output_tokens: 12 }, ...members });
  const event = (members) => line({ type: "stream_event", session_id: session, event: members });
  const say = (text) => event({ type: "content_block_delta", index: 0,
    delta: { type: "text_delta", text } });
  const init = () =>
    line({ type: "system", subtype: "init", session_id: session, model: "stand-in",
      permissionMode: /MODE\((.+?)\)/.exec(prompt)?.[1] ?? after("--permission-mode") });
  init();
  line({ type: "something_new", of: "tomorrow" });
  if (named(prompt) > 60) { // It prints no delay of more than a minute.
    line({ type: "rate_limit_event", rate_limit_info: { status: "rejected",
      resetsAt: Math.round(Date.now() / 1000) + named(prompt), rateLimitType: "five_hour" } });
  } else if (named(prompt)) {
    line({ type: "system", subtype: "api_retry", attempt: 1, max_retries: 1,
      retry_delay_ms: named(prompt) * 1000, error_status: 429, error: "rate_limit" });
  }
  if (failure(prompt)) {
    result({ is_error: true, api_error_status: failure(prompt), result: "API Error: refused" });
    process.exit(1);
  }
  event({ type: "message_start", message: { id: "m", usage: { input_tokens: 100 } } });
  await act(prompt, say, () => event({ type: "message_start",
    message: { id: "m", usage: { input_tokens: 1 } } }));
  if (prompt.includes("TOOL") || prompt.includes("ASK") || falters) {
    const [, given] = /EDIT\((.+?)\)/.exec(prompt) ?? [], name = given ? "Write" : "Bash";
    const file = given?.startsWith("./") ? given : given && `${process.cwd()}/${given}`;
    const input = file ? { file_path: file, content: "by claude\n" }
      : { command: prompt.includes("HUGE") ? "x".repeat(1 << 20) : "make test" };
    assistant({ type: "tool_use", id: "toolu_1", name, input: file ? {} : input });
    let denied = null;
    if (prompt.includes("ASK")) {
      line({ type: "control_request", request_id: "q1",
        request: { subtype: "can_use_tool", tool_name: name, tool_use_id: "toolu_1", input } });
      if (prompt.includes("WITHDRAW")) {
        while (!existsSync("go")) await wait(20);
        line({ type: "control_cancel_request", request_id: "q1" });
      } else {
        await some(answers);
        const { response } = answers.shift().response;
        denied = response.behavior === "allow" ? null : response.message;
        if (file && !denied) writeFileSync(file, response.updatedInput.content);
      }
    }
    const shown = [{ type: "text", text: "all green" }];
    if (prompt.includes("PICTURE")) {
      shown.unshift({ type: "image", source: { type: "base64", data: "A".repeat(2 << 20) } });
    }
    line({ type: "user", message: { content: [{ type: "tool_result", tool_use_id: "toolu_1",
      is_error: denied !== null, content: denied ?? shown }] } });
    if (falters && number <= 3) process.kill(process.pid, "SIGKILL");
    readAll(); // They came while it worked, and are answered with the rest.
    if (last) echo(last);
    last = null;
    event({ type: "message_start", message: { id: "m2", usage: { input_tokens: 100 } } });
  }
  for (let asked = prompt, cost = 0.0125; ; cost += 0.0125) {
    const text = answer(asked, number);
    for (const word of text.split(/(?<= )/)) say(word);
    assistant({ type: "text", text });
    result({ result: text, total_cost_usd: cost });
    if (!await some(messages)) break; // Its input has ended.
    asked = readAll().join("\n");
    init();
    event({ type: "message_start", message: { id: `m${cost}`, usage: { input_tokens: 100 } } });
    await act(asked, say);
  }
}

// --- The others: one prompt, one answer ----------------------------------------------------------

async function codex() {
  const prompt = readFileSync(0, "utf8");
  const resumed = args.includes("resume") ? args.at(-2) : null;
  const session = resumed ?? `thread-${process.pid}`;
  const number = remember(session, prompt);
  const item = (type, members) => line({ type, item: { id: `item_${type.length}`, ...members } });
  const say = (text) => item("item.completed", { type: "agent_message", text });
  line({ type: "thread.started", thread_id: session });
  line({ type: "turn.started" });
  if (failure(prompt)) {
    const wait = named(prompt) ? `. Please try again in ${named(prompt)}s.` : "";
    line({ type: "turn.failed",
      error: { message: `exceeded retry limit, last status: ${failure(prompt)}${wait}` } });
    process.exit(1);
  }
  const tool = { id: "c1", type: "command_execution", command: "make test" };
  await act(prompt, say, () => line({ type: "item.completed", item: tool }));
  if (prompt.includes("SERVE")) {
    line({ type: "item.started", item: { ...tool, id: "c0", status: "in_progress" } });
  }
  if (prompt.includes("TOOL")) {
    line({ type: "item.started", item: { ...tool, status: "in_progress" } });
    line({ type: "item.completed",
      item: { ...tool, aggregated_output: "all green", exit_code: 0, status: "completed" } });
  }
  say(answer(prompt, number));
  line({ type: "turn.completed",
    usage: { input_tokens: 100 * number, cached_input_tokens: 20 * number,
      output_tokens: 12 * number, reasoning_output_tokens: 0 } });
}

async function opencode() {
  const prompt = readFileSync(0, "utf8");
  const session = args.includes("--session") ? after("--session") : `ses_${process.pid}`;
  const number = remember(session, prompt);
  const out = (type, part) => line({ type, sessionID: session, part });
  const say = (text) => out("text", { type: "text", text });
  const finish = (reason) => out("step_finish", { reason, cost: 0,
    tokens: { input: 80, output: 12, reasoning: 0, cache: { read: 20, write: 0 } } });
  out("step_start", {});
  if (failure(prompt)) {
    line({ type: "error", sessionID: session,
      error: { name: "APIError", data: { message: "refused", statusCode: failure(prompt),
        responseHeaders: named(prompt) ? { "retry-after": `${named(prompt)}` } : {} } } });
    process.exit(1);
  }
  await act(prompt, say, () => finish("unknown"));
  if (prompt.includes("TOOL")) {
    out("tool_use", { callID: "c1", tool: "bash",
      state: { status: "completed", input: { command: "make test" }, output: "all green" } });
  }
  say(answer(prompt, number));
  finish("stop");
}

async function pi() {
  const prompt = readFileSync(0, "utf8");
  const session = args.includes("--session") ? after("--session") : `pi-${process.pid}`;
  const number = remember(session, prompt);
  const usage = { input: 80, output: 12, cacheRead: 20, cacheWrite: 0, cost: { total: 0 } };
  const say = (delta) => line({ type: "message_update",
    assistantMessageEvent: { type: "text_delta", delta } });
  line({ type: "session", version: 3, id: session });
  line({ type: "agent_start" });
  if (failure(prompt)) {
    line({ type: "message_end", message: { role: "assistant", content: [], usage,
      stopReason: "error", errorMessage: `${failure(prompt)} status code (no body)` } });
    line({ type: "agent_end" });
    return; // It exits with 0.
  }
  await act(prompt, say);
  if (prompt.includes("TOOL")) {
    line({ type: "tool_execution_start", toolCallId: "c1", toolName: "bash",
      args: { command: "make test" } });
    line({ type: "tool_execution_end", toolCallId: "c1", isError: false,
      result: { content: [{ type: "text", text: "all green" }] } });
  }
  const text = answer(prompt, number);
  say(text.slice(0, 5));
  const said = prompt.includes("SLOW") ? "one two" : "";
  line({ type: "message_end", message: { role: "assistant", usage, stopReason: "stop",
    content: [{ type: "text", text: said + text }] } });
  line({ type: "agent_end" });
}

async function lines() {
  const prompt = args.at(-1);
  const number = remember(`lines-${process.pid}`, prompt);
  await act(prompt, (say) => line({ say }));
  const many = Number(/MANY\((\d+)\)/.exec(newest(prompt))?.[1] ?? 0);
  for (let i = 1; i <= many; i++) {
    line({ say: `word ${i}` });
    line({ tool: "make", id: `m${i}`, in: { target: `t${i}` } });
    line({ id: `m${i}`, out: `green ${i}` });
  }
  if (prompt.includes("TOOL")) {
    line({ tool: "make", id: "c1", in: { target: "test" } });
    line({ id: "c1", out: "all green" });
  }
  line({ say: answer(prompt, number), usage: { in: 80, out: 12 } });
  line({ done: true });
}

await { claude, codex, opencode, kilo: opencode, pi, lines }[kind]();
