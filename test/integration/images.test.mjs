// images.test.mjs: images belong to messages, and models that see are shown them.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";

import { say, Turns } from "./turns.mjs";
import { Wires, kinds } from "./wires.mjs";

const PNG = Buffer.concat([Buffer.from("89504e470d0a1a0a", "hex"), Buffer.from("a small flock")]);
const encoded = PNG.toString("base64");

/** A folder of the test's own. */
function scratch(t) {
  const folder = mkdtempSync(path.join(tmpdir(), "drover-images-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Gives the session an image: its id. */
async function attach(turns, session, bytes = PNG) {
  const answer = await fetch(`${turns.daemon.url}/api/v1/sessions/${session}/attachments`, {
    method: "POST",
    headers: { ...turns.headers, "content-type": "image/png" },
    body: bytes,
  });
  assert.equal(answer.status, 201);
  return (await answer.json()).id;
}

/** A daemon whose scripted model is known to see nothing. */
async function openBlind(t) {
  const prices = path.join(scratch(t), "prices.json");
  writeFileSync(prices, JSON.stringify({ models: { "scripted/demo": { vision: false } } }));
  return Turns.open(t, { args: ["--insecure-loopback", "--prices", prices] });
}

const shown = {
  openai: { type: "image_url", image_url: { url: `data:image/png;base64,${encoded}` } },
  responses: { type: "input_image", image_url: `data:image/png;base64,${encoded}` },
  anthropic: {
    type: "image",
    source: { type: "base64", media_type: "image/png", data: encoded },
  },
};

/** What users said, block by block. */
function blocks(body) {
  const { messages, input } = JSON.parse(body);
  return (messages ?? input).filter((one) => one.role === "user").flatMap((one) => one.content);
}

for (const kind of kinds) {
  test(`${kind}: an image stands behind the words that it came with, also later`, async (t) => {
    const turns = await Turns.open(t);
    const provider = await new Wires(kind).start(t);
    const listener = await turns.listen({ model: await provider.connect(turns) });
    const attachments = [await attach(turns, listener.session)];
    const { run } = await turns.send(listener.session, "what is this?", { attachments });
    assert.equal((await listener.ended(run)).state, "succeeded");
    await turns.daemon.kill();
    await turns.daemon.start();
    await listener.open();
    assert.equal((await turns.turn(listener, "and now?")).end.state, "succeeded");
    for (const body of provider.bodies) {
      const [words, image] = blocks(body);
      assert.match(words.text, /what is this/);
      assert.deepEqual({ ...image, cache_control: undefined }, {
        ...shown[kind],
        cache_control: undefined,
      });
    }
    const question = (await turns.messages(listener.session))[0];
    assert.deepEqual(question.parts.map((part) => [part.kind, part.name]), [
      ["text", undefined],
      ["image", "image/png"],
    ]);
    assert.equal(question.parts[1].data.id, attachments[0]);
  });
}

test("a model that sees nothing is given no image, and nothing is stored", async (t) => {
  const turns = await openBlind(t);
  const listener = await turns.listen();
  const attachments = [await attach(turns, listener.session)];
  const target = `/sessions/${listener.session}/messages`;
  const refused = await turns.ask("POST", target, { text: say("x"), attachments });
  assert.deepEqual([refused.status, refused.json.code], [400, "model_without_images"]);
  assert.match(refused.json.detail, /scripted\/demo does not accept images/);
  assert.equal((await turns.messages(listener.session)).length, 0);
  assert.equal((await turns.turn(listener, say("words do"))).end.state, "succeeded");
});

test("an image that is not there is refused by name; each belongs to its owner", async (t) => {
  const turns = await Turns.open(t);
  const listener = await turns.listen();
  const nobody = `att_${"0".repeat(26)}`;
  const target = `/sessions/${listener.session}/messages`;
  for (const attachments of [[nobody], ["x"], [""]]) {
    const refused = await turns.ask("POST", target, { text: say("x"), attachments });
    assert.deepEqual([refused.status, refused.json.code], [400, "bad_field"], attachments[0]);
  }
  const attachments17 = Array(17).fill(nobody);
  const many = await turns.ask("POST", target, { text: say("x"), attachments: attachments17 });
  assert.equal(many.status, 400);
  assert.equal((await turns.messages(listener.session)).length, 0);
  // Another session's image of the same owner may be shown here, and stays when that is removed.
  const other = await turns.listen();
  const attachments = [await attach(turns, other.session)];
  const { run } = await turns.send(listener.session, say("seen"), { attachments });
  assert.equal((await listener.ended(run)).state, "succeeded");
  assert.equal((await turns.ask("DELETE", `/sessions/${other.session}`)).status, 200);
  assert.equal((await turns.ask("GET", `/attachments/${attachments[0]}`)).status, 200);
});

test("one that joins a running turn is shown to its next call", async (t) => {
  const turns = await Turns.open(t);
  const provider = await new Wires("openai").start(t);
  const model = await provider.connect(turns);
  const listener = await turns.listen({ model, root: turns.root });
  provider.answers = [{ call: { id: "a", name: "ask_user", args: { question: "which?" } } }];
  const { run } = await turns.send(listener.session, "begin");
  await listener.until("turn_waiting");
  const attachments = [await attach(turns, listener.session)];
  const more = { attachments, policy: "steer" };
  const steered = await turns.send(listener.session, "look at this", more);
  assert.equal(steered.decision, "joined");
  const { items } = await turns.get("/approvals");
  await turns.ask("POST", `/approvals/${items[0].id}`, { answer: "this one" });
  assert.equal((await listener.ended(run)).state, "succeeded");
  assert.ok(provider.bodies.at(-1).includes(encoded));
});

test("where not all fit into one prompt, the newest are shown", async (t) => {
  const turns = await Turns.open(t);
  const provider = await new Wires("openai").start(t);
  await turns.ask("PATCH", "/settings", { window: 1000000 }); // Nothing becomes a summary.
  const listener = await turns.listen({ model: await provider.connect(turns) });
  const image = (number) => Buffer.concat([PNG, Buffer.from(`number ${number}`)]);
  for (let said = 0; said < 5; said++) {
    const attachments = [];
    for (let i = said * 16; i < said * 16 + 16; i++) {
      attachments.push(await attach(turns, listener.session, image(i)));
    }
    const { run } = await turns.send(listener.session, `look: ${said}`, { attachments });
    assert.equal((await listener.ended(run)).state, "succeeded");
  }
  const body = provider.bodies.at(-1);
  const hidden = body.match(/an image is not shown here, since too many others follow it/g);
  assert.equal(hidden.length, 16);
  const images = blocks(body).filter((block) => block.type === "image_url");
  const encodings = images.map((block) => block.image_url.url.split(",")[1]);
  const wanted = Array.from({ length: 64 }, (_, at) => image(16 + at).toString("base64"));
  assert.deepEqual(encodings, wanted);
});

test("an image whose disk is slow holds up nobody's reads of the store", async (t) => {
  const turns = await Turns.open(t);
  const provider = await new Wires("openai").start(t);
  const model = await provider.connect(turns);
  const slow = [];
  // One for each reader of the store. A pipe is a file that is not read before somebody writes.
  for (let number = 0; number < 2; number++) {
    const bytes = Buffer.concat([PNG, Buffer.from(`slow ${number}`)]);
    const listener = await turns.listen({ model });
    const attachments = [await attach(turns, listener.session, bytes)];
    const hash = createHash("sha256").update(bytes).digest("hex");
    const file = path.join(turns.daemon.data, "blobs", hash);
    rmSync(file);
    execFileSync("mkfifo", [file]);
    const { run } = await turns.send(listener.session, "look", { attachments });
    slow.push({ bytes, listener, run, pipe: await open(file, "w") }); // The daemon reads it.
  }
  assert.equal((await turns.get("/sessions")).items.length, 2);
  for (const { bytes, listener, run, pipe } of slow) {
    await pipe.writeFile(bytes);
    await pipe.close();
    assert.equal((await listener.ended(run)).state, "succeeded");
    assert.ok(provider.bodies.some((body) => body.includes(bytes.toString("base64"))));
  }
});

test("ask --image and /image in a chat", async (t) => {
  const turns = await Turns.open(t);
  const provider = await new Wires("openai").start(t);
  const model = await provider.connect(turns);
  const file = path.join(scratch(t), "flock.png");
  writeFileSync(file, PNG);
  const asked = await turns.daemon.cli(["ask", "-m", model, "--image", file, "what is it?"]);
  assert.deepEqual([asked.code, asked.stdout], [0, "ok\n"]);
  assert.ok(provider.bodies.at(-1).includes(encoded));
  const input = `/image ${file}\nlook\nand without\n`;
  const chat = await turns.daemon.cli(["chat", "-m", model, "--no-root"], { input });
  assert.equal(chat.code, 0, chat.stderr);
  const users = JSON.parse(provider.bodies.at(-1)).messages.filter((one) => one.role === "user");
  assert.deepEqual(users.map((one) => JSON.stringify(one).includes(encoded)), [true, false]);
  const none = await turns.daemon.cli(["ask", "-m", model, "--image", "/nowhere.png", "what?"]);
  assert.notEqual(none.code, 0);
  assert.match(none.stderr, /\/nowhere\.png cannot be read/);
  assert.equal((await turns.get("/sessions")).items.length, 2); // None for what was not asked.
  writeFileSync(file, "no image");
  const text = await turns.daemon.cli(["ask", "-m", model, "--image", file, "what?"]);
  assert.match(text.stderr, /flock\.png is not a PNG, JPEG, GIF or WebP image/);
});
