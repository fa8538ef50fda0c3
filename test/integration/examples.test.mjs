// examples.test.mjs: each file of examples/ does what its header says, with the scripted model.
// runs-with: release
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { readdirSync, readFileSync, symlinkSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { after, before, describe, test } from "node:test";

import { bin, Daemon, root, scratch } from "./lib.mjs";
import { scaled } from "./scale.mjs";

const LIMIT = { timeout: scaled(60_000) };
const examples = path.join(root, "examples");
const own = readFileSync(path.join(root, "test/integration/examples.test.mjs"), "utf8");

test("each example says what it shows, how it is run and what to expect, and is listed", () => {
  const list = readFileSync(path.join(examples, "README.md"), "utf8");
  const files = readdirSync(examples).filter((name) => name !== "README.md");
  assert.ok(files.length >= 8);
  for (const file of files) {
    assert.ok(list.includes(`[${file}](${file})`), `${file} is in the list`);
    const text = readFileSync(path.join(examples, file), "utf8");
    if (file === "review-diff.js") continue; // It is run by review-diff.sh.
    for (const word of ["Shows", "Run", "Expect"]) {
      assert.match(text, new RegExp(`^(//|#) ${word} {2,}\\S`, "m"), `${file}: ${word}`);
    }
    assert.ok(own.includes(`"${file}"`), `${file} is run below`);
  }
});

/** The environment in which `drover` is the program under test, and finds this daemon. */
function envOf(daemon, t) {
  const folder = scratch(t);
  symlinkSync(bin, path.join(folder, "drover"));
  return { ...daemon.env, DROVER_DATA: daemon.data, PATH: `${folder}:${process.env.PATH}` };
}

function type(program, words, { env, input = "", cwd = root }) {
  return new Promise((resolve) => {
    const child = execFile(program, words, { env, cwd }, (error, stdout, stderr) =>
      resolve({ code: child.exitCode, stdout, stderr }),
    );
    child.stdin.on("error", () => {});
    child.stdin.end(input);
  });
}

describe("examples", { concurrency: true }, () => {
  let daemon, folder;
  const cleanups = [];
  before(async () => {
    folder = scratch({ after: (done) => cleanups.push(done) });
    const args = ["--webhook-allow", "127.0.0.1"];
    daemon = await new Daemon({ data: path.join(folder, "d"), args }).start();
  });
  after(async () => {
    await daemon.stop();
    for (const done of cleanups) done();
  });

  /** Runs an example to its success; a workflow by `drover run`. */
  async function play(t, file, words = [], options = {}) {
    const at = path.join(examples, file);
    const workflow = file.endsWith(".js");
    const all = workflow ? ["run", at, ...words] : words;
    const env = envOf(daemon, t);
    const end = await type(workflow ? bin : at, all, { env, ...options });
    assert.equal(end.code, 0, end.stdout + end.stderr);
    return end;
  }

  test("five agents give five verdicts that fit the schema", LIMIT, async (t) => {
    const { stdout } = await play(t, "five-agents.js", ["--arg", "idea=A shop for umbrellas"]);
    const result = JSON.parse(stdout);
    assert.deepEqual(Object.keys(result.verdicts), ["Ada", "Ben", "Cleo", "Dan", "Eve"]);
    assert.equal(result.mean, 1);
  });

  test("the pipeline has a line for each file", LIMIT, async (t) => {
    const words = ["--arg", 'files=["README.md","LICENSE"]'];
    const { stdout, stderr } = await play(t, "files.js", words);
    assert.match(stdout, /^README\.md: [^]*^LICENSE: /m);
    assert.match(stderr, /agent succeeded: LICENSE \[Check\]/);
  });

  test("a diff is reviewed whatever stands in it; no diff is exit code 1", LIMIT, async (t) => {
    const input = '--- a/x\n+++ b/x\n+say "it\'s" \\ $HOME `id` \u{1F411}\n';
    const { stdout } = await play(t, "review-diff.sh", ["-"], { input });
    assert.match(stdout, /Write the review/);
    const at = path.join(examples, "review-diff.sh");
    const none = await type(at, ["-"], { env: envOf(daemon, t) });
    assert.deepEqual([none.code, none.stdout], [1, ""]);
  });

  test("the nightly job is tried again, and its webhook is called", LIMIT, async (t) => {
    let told;
    const notice = new Promise((resolve) => (told = resolve));
    const server = http.createServer(async (request, answer) => {
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      answer.writeHead(204).end();
      told(JSON.parse(Buffer.concat(chunks)));
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    t.after(() => server.close());
    const mark = path.join(scratch(t), "mark");
    const url = `http://127.0.0.1:${server.address().port}/`;
    const env = { ...envOf(daemon, t), NIGHTLY_BACKOFF: "10ms" };
    const command = ["sh", "-c", `[ -e ${mark} ] || { touch ${mark}; exit 1; }`];
    const { stdout } = await play(t, "nightly.sh", [url, ...command], { env });
    const body = await notice;
    assert.equal(body.run, stdout.trim());
    assert.equal(body.state, "succeeded");
    const shown = await daemon.cli(["show", "--json", body.run]);
    assert.equal(JSON.parse(shown.stdout).attempts, 2);
  });

  test("the chat has two answers and four messages", LIMIT, async (t) => {
    const { stdout } = await play(t, "chat.sh");
    assert.match(stdout, /^> What can you do\?\n[^]*^> And what can you not do\?\n/m);
    assert.match(stdout, /^4 messages$/m);
  });

  test("more tokens are more ideas, and never more than ten", LIMIT, async (t) => {
    const ideas = async (tokens) =>
      Number.parseInt((await play(t, "budget.js", ["--budget-tokens", tokens])).stdout, 10);
    const [few, many] = await Promise.all([ideas("100"), ideas("1000")]);
    assert.ok(few > 0 && few < many, `${few} and ${many}`);
    assert.equal(many, 10);
  });

  test("after an edit only the changed agent is asked", LIMIT, async (t) => {
    const { stderr } = await play(t, "resume-after-edit.sh");
    assert.match(stderr, /agent cached: outline from run_\w+\n[^]*agent succeeded: title/);
  });

  test("a job in the background wakes its chat", LIMIT, async (t) => {
    const { stdout } = await play(t, "wake-a-chat.sh");
    assert.match(stdout, /^job run_\w+ ended with exit code 3$/m);
    assert.match(stdout, /I start the build now[^]*built 12 files/);
  });

  test("a workflow that is killed by hand is resumed, each stage once", LIMIT, async (t) => {
    const killed = await new Daemon({ data: path.join(scratch(t), "d") }).start();
    t.after(() => killed.kill());
    const at = path.join(examples, "kill-and-resume.js");
    const words = ["run", at, "--arg", "pause=0.1"];
    const client = spawn(bin, words, { env: { ...killed.env, DROVER_DATA: killed.data } });
    let out = "";
    let err = "";
    const seen = new Promise((resolve) => {
      client.stderr.on("data", (chunk) => {
        err += chunk;
        if (err.includes("log: Stage 3 ")) resolve();
      });
    });
    client.stdout.on("data", (chunk) => (out += chunk));
    const ended = new Promise((resolve) => client.once("close", resolve));
    await seen;
    await killed.kill();
    assert.doesNotMatch(err, /Stage 12/);
    await killed.start();
    assert.equal(await ended, 0, err);
    assert.equal(out, "12 of 12 stages\n");
    const stages = [...err.matchAll(/^log: Stage (\d+) /gm)].map(([, number]) => Number(number));
    assert.deepEqual(stages, Array.from({ length: 12 }, (_, at) => at + 1));
  });
});
