// day.test.mjs: a day of work, forty steps, by mouse, by keys and on a phone, while the daemon is
// killed twice.
//
// runs-with: web
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";

import { Proxy } from "../integration/stream-client.mjs";
import { call, say, script, Turns } from "../integration/turns.mjs";
import { axe, browserOf, fileOf, opened, overflow, PHONE, read } from "./browser.mjs";

const STEPS = 40;
const file = fileOf({ after, afterEach });
let browser;

before(async () => {
  browser = await browserOf(file);
});

const dialog = (page) => page.getByRole("dialog");
const box = (page) => page.getByRole("textbox", { name: "Message", exact: true });
const row = (page, title) => page.locator(".session-row", { hasText: title });
const answer = (page, text) =>
  page.locator(".talk.is-text").getByText(text, { exact: true }).first();

/** How somebody works: each presses what stands there, writes into it, and goes to a place. */
const HANDS = {
  mouse: (page) => ({
    press: (one) => one.click(),
    write: async (one, text) => {
      await one.click();
      await one.fill(text);
    },
    go: (name) => page.getByRole("navigation", { name: "Places" })
      .getByRole("link", { name: new RegExp(`^${name}( \\d+)?$`) }).click(),
  }),
  keys: (page) => ({
    press: async (one) => {
      await one.focus();
      const isBox = await one.evaluate((at) => at.matches("input[type=checkbox]"));
      await page.keyboard.press(isBox ? "Space" : "Enter");
    },
    write: async (one, text) => {
      await one.focus();
      await page.keyboard.press("Control+A");
      await page.keyboard.insertText(text);
    },
    go: async (name) => {
      await page.evaluate(() => document.activeElement?.blur());
      const keys = { Home: "h", Inbox: "i", Sessions: "s", Runs: "r", Board: "b", Jobs: "j",
        Workflows: "f", Usage: "u", Memory: "m" };
      await page.keyboard.press("g");
      await page.keyboard.press(keys[name]);
    },
  }),
  phone: (page) => ({
    press: (one) => one.tap(),
    write: async (one, text) => {
      await one.tap();
      await one.fill(text);
    },
    go: async (name) => {
      const place = page.getByRole("navigation", { name: "Places" })
        .getByRole("link", { name: new RegExp(`^${name}( \\d+)?$`) });
      if (await place.isVisible()) return place.tap();
      await page.getByRole("button", { name: "More", exact: true }).tap();
      return dialog(page).getByRole("link", { name: new RegExp(`^${name}`) }).tap();
    },
  }),
};

for (const [name, handOf] of Object.entries(HANDS)) {
  test(`a day of forty steps over two kills: ${name}`, async (t) => {
    const turns = await Turns.open(t,
      { args: ["--insecure-loopback", "--allow-host", "127.0.0.1"] }), { daemon } = turns;
    const proxy = await Proxy.open(t, daemon.port), url = `http://127.0.0.1:${proxy.port}`;
    const made = await turns.ask("POST", "/projects", { name: "shop", root: turns.root,
      model: "scripted/demo", board: { agents: [{ name: "smith" }] } });
    assert.ok(made.status < 300, made.text);
    const { stdout } = await daemon.cli(["token", "create", "--scope", "read,run,approve"]);
    const page = await opened(browser, { daemon: { url }, key: stdout.split("\n")[0] },
      name === "phone" ? PHONE : {});
    const hand = handOf(page), thrown = [];
    page.on("pageerror", (error) => thrown.push(String(error)));
    let steps = 0;
    const step = async (what, act) => {
      steps++;
      await act().catch((fault) => {
        throw new Error(`step ${steps}, ${what}: ${fault.message}`, { cause: fault });
      });
    };
    const button = (label, of = page) => of.getByRole("button", { name: label });
    const option = (label) => page.getByRole("option", { name: label }).first();
    const kill = async () => {
      const live = page.locator(".status").getByText(/live$/);
      proxy.cut();
      await daemon.kill();
      await live.waitFor({ state: "detached" });
      await daemon.start();
      proxy.target = daemon.port;
      await live.waitFor();
    };
    const task = (title, ...lines) => turns.ask("POST", "/projects/shop/tasks", { title,
      description: script(...lines.flatMap((line) => [line, "step:"]).slice(0, -1)) });
    const status = (to, more) => call("task_status", { status: to, ...more });

    /* --- Home: a session begins --- */
    await step("the project is chosen", async () => {
      const project = page.getByRole("combobox", { name: "Project" });
      if (name === "keys") await hand.write(project, "shop");
      else await hand.press(project);
      await option(/^shop/).waitFor();
      await (name === "keys" ? page.keyboard.press("Enter") : hand.press(option(/^shop/)));
    });
    await step("a first message is written", () => hand.write(page.getByLabel("First message"),
      script(call("write_file", { path: "prices.txt", content: "cents\n" }), "step:",
        say("It is written."))));
    await step("the session begins", () => hand.press(button("Begin")));
    await step("it asks, and is allowed", async () => {
      const ask = page.locator(".first-ask");
      await ask.waitFor();
      await read(page);
      if (name === "keys") {
        await box(page).focus();
        await page.keyboard.press("a");
      } else {
        await hand.press(button("Allow", ask));
      }
    });
    await step("it answers", () => answer(page, "It is written.").waitFor());
    const session = new URL(page.url()).pathname.split("/")[2];
    await step("a file is named", async () => {
      await hand.write(box(page), "@pri");
      await option("prices.txt").waitFor();
      await (name === "keys" ? page.keyboard.press("Enter") : hand.press(option("prices.txt")));
      await page.waitForFunction(() => document.activeElement?.value?.includes("prices.txt") ||
        [...document.querySelectorAll("textarea")].some((at) => at.value.includes("prices.txt")));
    });
    await step("a second message is sent", async () => {
      await hand.write(box(page), "say: There is more.");
      await (name === "keys" ? page.keyboard.press("Enter") : hand.press(button("Send")));
      await answer(page, "There is more.").waitFor();
    });
    await step("the answer is asked for again", async () => {
      await hand.write(box(page), "/retry");
      await page.keyboard.press("Escape");
      await page.keyboard.press("Enter");
      await page.getByRole("group", { name: "Answers to this question" }).getByText("2 / 2")
        .waitFor();
    });
    await step("the first answer is chosen", async () => {
      await hand.press(button("The answer before"));
      await page.getByRole("group", { name: "Answers to this question" }).getByText("1 / 2")
        .waitFor();
    });

    /* --- The first kill --- */
    await step("the daemon is killed", kill);
    await step("all that was said is there", () => answer(page, "There is more.").waitFor());
    await step("the session gets a name", async () => {
      await hand.press(button("More about this session"));
      await hand.write(dialog(page).getByLabel("Title"), "Prices");
      await hand.press(button("Save", dialog(page)));
      await page.locator("h1", { hasText: "Prices" }).waitFor();
    });

    /* --- Sessions --- */
    await step("the list says where it stands", async () => {
      await hand.go("Sessions");
      await row(page, "Prices").getByText("There is more.").waitFor();
    });
    await step("it is chosen", async () => {
      await hand.press(page.getByRole("checkbox", { name: "Choose Prices" }));
      await page.getByText("1 chosen").waitFor();
    });
    await step("it is archived", async () => {
      await hand.press(button("Archive"));
      await page.getByText("1 session archived.").waitFor();
    });
    await step("and taken back", async () => {
      await hand.press(button("Undo"));
      await row(page, "Prices").waitFor();
    });

    /* --- A command that fails --- */
    await step("a command is wanted", async () => {
      await hand.go("Jobs");
      await hand.press(button("Run a command"));
      await hand.write(page.getByLabel("Command line"), "echo first; echo no luck >&2; exit 3");
    });
    await step("its folder is given", () =>
      hand.write(dialog(page).getByLabel(/^Folder/).first(), turns.root));
    await step("it runs, and its errors stand first", async () => {
      await hand.press(page.getByRole("button", { name: "Run", exact: true }));
      await page.locator("pre, .log").getByText(/^no luck$/).first().waitFor();
    });
    await step("Home says why it failed", async () => {
      await hand.go("Home");
      await page.locator(".why", { hasText: "no luck" }).first().waitFor();
    });
    await step("it runs again", async () => {
      const again = button(/^Run again/);
      await hand.press(again.first());
      await page.locator(".why").nth(1).waitFor();
    });
    await step("both were seen", async () => {
      for (let left = 2; left > 0; left--) {
        await hand.press(button(/^Mark read/).first());
        await page.locator(".why").nth(left - 1).waitFor({ state: "detached" });
      }
    });

    /* --- A board --- */
    await step("a task asks, on the desk", async () => {
      await task("Sign it", status("working"), status("blocked", { question: "Which key?" }),
        say("so"));
      await page.getByRole("article", { name: "Which key?" }).waitFor();
    });
    await step("its question is opened", async () => {
      await hand.press(page.getByRole("link", { name: "Answer: Which key?" }));
      await page.waitForURL("**/t/tsk_*");
    });
    await step("it is answered", () => hand.write(page.getByLabel("Answer"), "The new one."));
    await step("and goes on", async () => {
      await hand.press(button("Answer and open again"));
      await page.getByText(/The new one\./).first().waitFor({ state: "attached" });
    });
    await step("a task fails, on the desk", async () => {
      await task("Try it", status("working"), status("failed", { detail: "the mill is shut" }),
        say("so"));
      await hand.go("Home");
      await page.getByRole("article", { name: "Failed: Try it" }).getByText("the mill is shut")
        .waitFor();
    });
    await step("it is opened", async () => {
      await hand.press(page.getByRole("article", { name: "Failed: Try it" })
        .getByRole("link").first());
      await page.waitForURL("**/t/tsk_*");
    });
    await step("the board shows it", async () => {
      await hand.go("Board");
      await page.waitForURL("**/board");
      await hand.press(page.locator('main a[href="/board/shop"]').first());
      await page.waitForURL("**/board/shop");
      await page.getByText("Sign it").first().waitFor({ state: "attached" });
    });

    /* --- The second kill, in the midst of a turn --- */
    await step("the session is found by its name", async () => {
      await hand.go("Sessions");
      await hand.press(row(page, "Prices").getByRole("link"));
      await box(page).waitFor();
    });
    await step("a long answer is asked for", async () => {
      await hand.write(box(page), "delay: 2s\nsay: After the kill.");
      await (name === "keys" ? page.keyboard.press("Enter") : hand.press(button("Send")));
      await button("Stop").waitFor();
    });
    await step("the daemon is killed again", kill);
    await step("and it answers", () => answer(page, "After the kill.").waitFor());
    await step("another one is stopped", async () => {
      await hand.write(box(page), "delay: 60s");
      await (name === "keys" ? page.keyboard.press("Enter") : hand.press(button("Send")));
      await hand.press(button("Stop"));
      await page.getByText("Stopped").first().waitFor();
    });
    await step("its text shrinks", async () => {
      await hand.write(box(page), "/compact");
      await page.keyboard.press("Escape");
      await page.keyboard.press("Enter");
      await page.locator(".summary").first().waitFor();
    });

    /* --- The rest of the day --- */
    await step("what it took is counted", async () => {
      await hand.go("Usage");
      await page.locator(".chart").first().waitFor();
    });
    await step("runs are listed", async () => {
      await hand.go("Runs");
      await page.getByText("echo first").first().waitFor();
    });
    await step("the session goes", async () => {
      await page.goto(`${url}/s/${session}`);
      await hand.press(button("More about this session"));
      await hand.press(button("Delete", dialog(page)));
      await page.getByText(/^Deleted\./).waitFor();
    });
    await step("and comes back", async () => {
      await hand.press(button("Restore"));
      await box(page).waitFor();
    });
    await step("Home is calm", async () => {
      await hand.go("Home");
      await page.getByLabel("First message").waitFor();
      assert.equal(await overflow(page), 0);
      assert.deepEqual(await axe(page), []);
    });
    assert.equal(steps, STEPS);
    const { items } = await turns.get("/sessions?limit=50");
    assert.equal(items.filter(({ title }) => title === "Prices").length, 1);
    const said = (await turns.messages(session)).filter(({ role }) => role === "user");
    assert.equal(said.length, 4, "each message once");
    assert.deepEqual(thrown, []);
  });
}
