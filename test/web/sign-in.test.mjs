// sign-in.test.mjs: a browser signs in by a link, and its key is of no use to any other page.
//
// That links end after a minute, and the same without a browser: integration/sign-in.test.mjs.
//
// runs-with: web
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import { after, afterEach, before, test } from "node:test";

import { User } from "../integration/user.mjs";
import { browserOf, fileOf, opened } from "./browser.mjs";

const REBOUND = "rebound.example";
const file = fileOf({ after, afterEach });
let browser;
before(async () => {
  // What a name leads to after its owner has changed it.
  browser = await browserOf(file, [`--host-resolver-rules=MAP ${REBOUND} 127.0.0.1`]);
});

const stored = (page) => page.evaluate(() => localStorage.getItem("drover.key"));
const signedIn = (page) => page.getByText(/^● live$/).waitFor();

/** A user, and a link of `drover open`. */
async function linked(t, ...flags) {
  const user = new User(t);
  const { url, origin } = JSON.parse(await user.ok("open", "--json", ...flags));
  return { user, origin, target: new URL(url).hash };
}

/** Opens `target` of a daemon without a key. */
const visit = (origin, target) => opened(browser, { daemon: { url: origin } }, { target });

test("a link signs in once, leaves the address, and says so where it is used up", async (t) => {
  const { origin, target } = await linked(t);
  const page = await visit(origin, `/${target}`);
  await signedIn(page);
  assert.equal(page.url(), `${origin}/`);
  assert.match(await stored(page), /^drv_/);
  assert.equal(await page.evaluate(() => history.length), 2); // A blank page, and this one.
  page.clean();

  const second = await visit(origin, `/${target}`);
  await second.getByRole("alert").filter({ hasText: "unauthorized" }).waitFor();
  assert.equal(await stored(second), null);
  await second.getByText("drover open", { exact: true }).waitFor();
});

test("a page stays signed in over ten restarts of the daemon, until it signs out", async (t) => {
  const { user, origin, target } = await linked(t);
  const page = await visit(origin, `/${target}`);
  await signedIn(page);
  for (let i = 0; i < 10; i++) {
    process.kill(user.pid, "SIGKILL");
    await user.ok("ps"); // Starts another one.
    await page.reload();
    await signedIn(page);
  }
  assert.equal(await page.getByText("You are not signed in.").count(), 0);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByText("You are not signed in.").waitFor();
  assert.equal(await stored(page), null);
  assert.equal(await user.ok("token", "ls", "--json"), "");
});

/** What a page of an attacker tries, with a key that it has got hold of. Runs in that page. */
async function attack({ origin, key }) {
  const ask = async (target, options) => {
    try {
      const answer = await fetch(origin + target, options);
      return answer.type === "opaque" ? "opaque" : `${answer.status} ${await answer.text()}`;
    } catch {
      return "refused";
    }
  };
  const post = (type, more) => ({ method: "POST", body: '{"title": "stolen"}',
    headers: { "content-type": type, ...more } });
  const authorization = `Bearer ${key}`;
  const socket = await new Promise((resolve) => {
    const opening = new WebSocket(`${origin.replace("http", "ws")}/api/v1/ws`);
    let heard = "";
    opening.onopen = () => opening.send(JSON.stringify({ key }));
    opening.onmessage = ({ data }) => (heard += data);
    opening.onclose = () => resolve(heard === "" ? "refused" : heard);
  });
  const frame = document.createElement("iframe");
  const isShown = await new Promise((resolve) => {
    frame.onload = () => {
      try {
        resolve(frame.contentDocument?.querySelector("main") != null);
      } catch {
        resolve(false);
      }
    };
    frame.src = origin;
    document.body.append(frame);
  });
  return {
    read: await ask("/api/v1/version", { headers: { authorization } }),
    write: await ask("/api/v1/sessions", post("application/json", { authorization })),
    // Those need no leave of the daemon to be sent; a browser shows no answer of them.
    sent: await ask("/api/v1/sessions", { ...post("text/plain", {}), mode: "no-cors" }),
    carried: await ask("/api/v1/version", { mode: "no-cors", credentials: "include" }),
    socket, isShown,
    kept: localStorage.getItem("drover.key"),
  };
}

/** A form of that page, which the browser sends to the daemon as it would a link. */
async function form(page, origin) {
  const answered = page.waitForResponse((answer) => answer.url().startsWith(origin));
  await page.evaluate((target) => {
    document.body.innerHTML = `<form method="post" enctype="text/plain" action="${target}">
      <input name='{"title": "stolen", "x": "' value='"}'></form>`;
    document.querySelector("form").submit();
  }, `${origin}/api/v1/sessions`);
  const status = (await answered).status();
  await page.waitForURL(`${origin}/**`); // A page that is on its way elsewhere may never close.
  return status;
}

test("the key is of no use to a page of another server, port or name", async (t) => {
  const { user, origin, target } = await linked(t);
  const page = await visit(origin, `/${target}`);
  await signedIn(page);
  const key = await stored(page);
  const server = http.createServer((_, answer) => {
    answer.writeHead(200, { "content-type": "text/html" });
    answer.end("<!doctype html><title>of somebody else</title><body></body>");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const other = `http://127.0.0.1:${server.address().port}`, { port } = new URL(origin);
  // In the same browser profile, where the page has signed in.
  for (const place of [other, other.replace("127.0.0.1", "localhost")]) {
    const stranger = await page.context().newPage();
    await stranger.goto(place);
    const said = await stranger.evaluate(attack, { origin, key });
    assert.deepEqual(said, { read: "refused", write: "refused", sent: "opaque",
      carried: "opaque", socket: "refused", isShown: false, kept: null }, place);
    assert.ok(await form(stranger, origin) >= 400, place);
    await stranger.close();
  }
  // The name leads to the daemon itself now: for the browser it is one and the same origin.
  for (const name of [REBOUND, "localhost"]) {
    const rebound = `http://${name}:${port}`, stranger = await page.context().newPage();
    await stranger.route(`${rebound}/attack`, (route) =>
      route.fulfill({ contentType: "text/html", body: "<!doctype html><body></body>" }));
    await stranger.goto(`${rebound}/attack`);
    const said = await stranger.evaluate(attack, { origin: rebound, key });
    // The browser itself may keep a page of nowhere from this machine.
    for (const tried of [said.read, said.write]) assert.match(tried, /^(403|421) |^refused$/, name);
    assert.doesNotMatch(said.socket, /signed_in/, name);
    assert.equal(said.kept, null, name);
    const reached = await stranger.goto(`${rebound}/api/v1/version`);
    assert.ok([401, 421].includes(reached.status()), `${name}: ${reached.status()}`);
  }
  const sessions = await user.ok("session", "ls", "--json");
  assert.doesNotMatch(sessions, /stolen/);
  await page.reload();
  await signedIn(page); // Nothing of this has signed it out.
});

test("a page with the scope read shows no button that it may not press", async (t) => {
  const { user, origin, target } = await linked(t, "--scope", "read");
  await user.cli("job", "run", "--label", "nightly", "--", "false");
  const page = await visit(origin, `/${target}`);
  await page.getByText("nightly").waitFor();
  const names = () => page.locator("main").getByRole("button").allInnerTexts();
  assert.deepEqual(await names(), []);
  await page.getByRole("link", { name: "Settings" }).click();
  await page.getByText("Connections").waitFor();
  assert.deepEqual(await names(), []);
  page.clean();
});
