// attachments.test.mjs: images of sessions: stored once, seen by their owner, gone with the last.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { scaled } from "./scale.mjs";
import { Sessions } from "./sessions.mjs";

const api = "/api/v1/sessions";
const pngHead = Buffer.from("89504e470d0a1a0a", "hex");
const png = (text) => Buffer.concat([pngHead, Buffer.from(text)]);
const sha = (bytes) => createHash("sha256").update(bytes).digest("hex");

/** Files are removed behind the answer. */
async function blobsBecome(sessions, wanted) {
  const until = Date.now() + scaled(20_000);
  while (String(sessions.blobs) !== String(wanted) && Date.now() < until) await pause(20);
  assert.deepEqual(sessions.blobs, wanted);
}

test("an image is stored once, and read as it was sent", async (t) => {
  const sessions = await Sessions.begin(t);
  const { id } = await sessions.make();
  const other = await sessions.make();
  const bytes = Buffer.concat([png("x"), Buffer.alloc(5 << 20, 7)]);
  const first = await sessions.upload(id, bytes);
  assert.equal(first.status, 201, JSON.stringify(first.json));
  assert.equal(first.json.media, "image/png");
  assert.equal(first.json.bytes, bytes.length);
  assert.equal(first.json.sha256, sha(bytes));
  const again = await sessions.upload(other.id, bytes, { type: "application/octet-stream" });
  assert.equal(again.json.id, first.json.id);
  assert.deepEqual(sessions.blobs, [sha(bytes)]);
  await sessions.daemon.kill();
  await sessions.daemon.start();
  const read = await sessions.download(first.json.id);
  assert.equal(read.status, 200);
  assert.equal(read.headers["content-type"], "image/png");
  assert.equal(read.headers["x-content-type-options"], "nosniff");
  assert.ok(read.bytes.equals(bytes));
});

test("its first bytes say what an image is; anything else is refused", async (t) => {
  const sessions = await Sessions.begin(t, ["--insecure-loopback", "--attachment-max", "1M"]);
  const { id } = await sessions.make();
  const kinds = {
    "image/jpeg": Buffer.from("ffd8ffe000", "hex"),
    "image/gif": Buffer.from("GIF89a.."),
    "image/webp": Buffer.from("RIFF....WEBPVP8 "),
  };
  for (const [media, bytes] of Object.entries(kinds)) {
    const sent = await sessions.upload(id, bytes, { type: "image/png" });
    assert.equal(sent.json.media, media);
  }
  const before = sessions.blobs;
  const refusals = [
    [await sessions.upload(id, Buffer.from("<svg onload=alert(1)>")), 400, "bad_image"],
    [await sessions.upload(id, pngHead), 400, "bad_image"],
    [await sessions.upload(id, Buffer.alloc(0)), 400, "bad_image"],
    [await sessions.upload(id, Buffer.alloc((1 << 20) + 1)), 413, "body_too_large"],
    [await sessions.upload(`ses_${"0".repeat(26)}`, png("y")), 404, "not_found"],
  ];
  for (const type of ["text/plain", "application/json", "imagery/png"]) {
    refusals.push([await sessions.upload(id, png("x"), { type }), 415, "unsupported_media_type"]);
  }
  for (const [answer, status, code] of refusals) {
    assert.deepEqual([answer.status, answer.json.code], [status, code]);
  }
  assert.deepEqual(sessions.blobs, before);
});

test("another owner's image does not exist, though the same bytes do", async (t) => {
  const sessions = await Sessions.begin(t);
  const { id } = await sessions.make();
  const mine = await sessions.upload(id, png("same"));
  const { token } = await sessions.ok("POST", "/api/v1/tokens", {
    owner: "bob",
    scopes: ["read", "run"],
  });
  const headers = { authorization: `Bearer ${token}` };
  assert.equal((await sessions.download(mine.json.id, headers)).status, 404);
  assert.equal((await sessions.upload(id, png("same"), { headers })).status, 404);
  const theirs = await sessions.make({}, headers);
  const same = await sessions.upload(theirs.id, png("same"), { headers });
  assert.equal(same.status, 201);
  assert.notEqual(same.json.id, mine.json.id);
  assert.equal(sessions.blobs.length, 1);
  await sessions.ok("DELETE", `${api}/${id}`);
  assert.equal((await sessions.download(mine.json.id)).status, 404);
  assert.equal((await sessions.download(same.json.id, headers)).status, 200);
  await sessions.request("DELETE", `${api}/${theirs.id}`, { headers });
  await blobsBecome(sessions, []);
});

test("an image goes with the last session that has it, a fork included", async (t) => {
  const sessions = await Sessions.begin(t);
  const { id } = await sessions.make();
  const kept = await sessions.make();
  const image = await sessions.upload(id, png("one"));
  const other = await sessions.upload(kept.id, png("two"));
  const fork = await sessions.ok("POST", `${api}/${id}/fork`);
  await sessions.ok("DELETE", `${api}/${id}`);
  assert.equal((await sessions.download(image.json.id)).status, 200);
  await sessions.ok("DELETE", `${api}/${fork.id}`);
  await blobsBecome(sessions, [sha(png("two"))]);
  assert.equal((await sessions.download(image.json.id)).status, 404);
  assert.equal((await sessions.download(other.json.id)).status, 200);
});

test("what a crash left is removed at the next start, and nothing else", async (t) => {
  const sessions = await Sessions.begin(t);
  const { id } = await sessions.make();
  const image = await sessions.upload(id, png("kept"));
  await sessions.daemon.kill();
  const folder = path.join(sessions.daemon.data, "blobs");
  writeFileSync(path.join(folder, sha(png("lost"))), png("lost"));
  writeFileSync(path.join(folder, `.${sha(png("half"))}.0123456789abcdef`), "half");
  await sessions.daemon.start();
  await blobsBecome(sessions, [sha(png("kept"))]);
  assert.ok((await sessions.download(image.json.id)).bytes.equals(png("kept")));
});

test("uploads and removals at once lose nothing", async (t) => {
  const sessions = await Sessions.begin(t);
  const keeper = await sessions.make();
  const work = [];
  for (let i = 0; i < 60; i++) {
    work.push(
      (async () => {
        const { id } = await sessions.make();
        const bytes = png(`shared ${i % 5}`);
        assert.equal((await sessions.upload(id, bytes)).status, 201);
        if (i % 3 === 0) {
          const sent = await sessions.upload(keeper.id, bytes);
          assert.equal(sent.status, 201);
        }
        await sessions.ok("DELETE", `${api}/${id}`);
      })(),
    );
  }
  await Promise.all(work);
  const wanted = [];
  for (let i = 0; i < 5; i++) {
    const sent = await sessions.upload(keeper.id, png(`shared ${i}`));
    assert.ok((await sessions.download(sent.json.id)).bytes.equals(png(`shared ${i}`)));
    wanted.push(sent.json.sha256);
  }
  await blobsBecome(sessions, wanted.sort());
});
