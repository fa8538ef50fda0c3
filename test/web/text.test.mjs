// text.test.mjs: outside text, diffs and images in a browser, under the policy of the pages: inert,
// bounded, and usable by keyboard and on a phone.
//
// runs-with: web
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";

import { axe, browserOf, fileOf, opened, overflow } from "./browser.mjs";
import { HOSTILE } from "./hostile.mjs";
import { servingParts } from "./parts.mjs";

const file = fileOf({ after, afterEach });
let browser, desk;
before(async () => {
  desk = await servingParts(file);
  browser = await browserOf(file);
});

async function pageOf(options) {
  const page = await opened(browser, desk, options);
  page.on("dialog", (dialog) => dialog.dismiss());
  return Object.assign(page, {
    show: (...list) => page.evaluate((parts) => window.show(...parts), list),
    part: (number) => page.locator(`#part-${number}`),
  });
}

const ESC = "\x1b";
const SAMPLE = `# The lock

It is **taken** in \`open_store\`, [twice](https://example.org/x).

- [x] done
- [ ] open

| name | ${"a long column | ".repeat(12)}
|---|${"---|".repeat(12)}
| 1 | ${"2 | ".repeat(12)}

~~~c
/* A comment. */
static int store_close(struct store *store) { return store->held > 0 ? -1 : 1000; } // and on
~~~

> A quote with an image ![shot](https://example.org/shot.png), and a [place](/s/ses_1).
`;
const PATCH = `--- a/x.c
+++ b/x.c
@@ -1,12 +1,13 @@
 one
-  assert(held.filter((lock) => lock.name === "a-name-that-is-rather-long").length == 2);
+  assert(held.filter((lock) => lock.name === "a-name-that-is-rather-long").length == 3);
+more
${Array.from({ length: 10 }, (_, at) => ` line ${at}\n`).join("")}`;

test("Markdown is plain text at once, and its tree takes the place; code is copied", async () => {
  const page = await pageOf();
  const first = await page.evaluate((text) => {
    window.show("Markdown", { text, done: true });
    return document.querySelector(".markdown").textContent;
  }, SAMPLE);
  assert.equal(first, SAMPLE);
  await page.getByRole("heading", { name: "The lock" }).waitFor();
  const text = page.part(0);
  assert.equal(await text.locator(".code-keyword").first().innerText(), "struct");
  assert.match(await text.innerText(), /☑ done[^]*☐ open/);
  const link = text.getByRole("link", { name: "twice" });
  assert.deepEqual(await link.evaluate(({ href, target, rel }) => [href, target, rel]),
    ["https://example.org/x", "_blank", "noopener noreferrer"]);
  assert.equal(await text.getByRole("link", { name: "image: shot" }).count(), 1);
  assert.equal(await text.getByRole("link", { name: "place" }).getAttribute("target"), null);

  const pasted = async () => {
    await page.evaluate(() => document.body.append(document.createElement("textarea")));
    await page.locator("textarea").focus();
    await page.keyboard.press("Control+V");
    return page.locator("textarea").evaluate((field) => {
      field.remove();
      return field.value;
    });
  };
  // As on a host without a secure context.
  await page.evaluate(() => Object.defineProperty(navigator, "clipboard", { value: undefined }));
  await text.getByRole("button", { name: "Copy" }).focus();
  await page.keyboard.press("Enter");
  await text.getByText("Copied").waitFor();
  assert.match(await pasted(), /^\/\* A comment[^]*\/\/ and on$/);
  page.clean();
});

test("a text that streams in keeps the elements of its finished blocks", async () => {
  const page = await pageOf();
  await page.evaluate(async (text) => {
    const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
    window.show("Markdown", { text: "# The lock\n\nIt", done: false });
    while (document.querySelector("h3") === null) await frame();
    window.heading = document.querySelector("h3");
    for (let at = 20; at < text.length; at += 7) {
      window.show("Markdown", { text: text.slice(0, at), done: false });
      await frame();
    }
    window.show("Markdown", { text, done: false });
  }, SAMPLE);
  await page.getByRole("link", { name: "place" }).waitFor();
  assert.equal(await page.evaluate(() => window.heading === document.querySelector("h3")), true);
  const html = () => page.locator(".markdown").evaluate((element) => element.innerHTML);
  await page.show("Markdown", { text: `${SAMPLE}\n[late]: /x\n`, done: true });
  const streamed = await html();
  await page.show("Markdown", { key: "other", text: SAMPLE, done: true });
  await page.getByRole("link", { name: "place" }).waitFor();
  assert.equal(await html(), streamed);
  page.clean();
});

test("hostile text is inert, no policy is violated, and the page answers", async (t) => {
  const page = await pageOf();
  await page.evaluate(() => {
    window.longest = 0;
    new PerformanceObserver((list) => list.getEntries().forEach(({ duration }) =>
      (window.longest = Math.max(window.longest, duration)))).observe({ type: "longtask" });
  });
  for (const [name, text] of Object.entries(HOSTILE)) {
    await page.evaluate(() => (window.longest = 0));
    // The second is read after the first was, or used up its first budget; the third after that
    // used up the other one, too.
    const parts = ["Markdown", { key: name, text, done: true }];
    for (const number of [1, 2]) {
      parts.push("Markdown", { key: name + number, text: `*${name} ${number}*`, done: true });
      await page.show(...parts);
      await page.part(number).locator("em").waitFor();
    }
    const found = await page.part(0).evaluate((part) => ({
      elements: part.querySelectorAll("*").length,
      active: part.querySelectorAll("img, svg, script, iframe, object, style, base, form").length,
      links: [...part.querySelectorAll("a")].map(({ protocol }) => protocol),
      styled: part.querySelectorAll("[style], [onerror], [onload]").length,
      hidden: [...part.textContent].filter((one) =>
        /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/
          .test(one)).length,
      length: part.textContent.length,
    }));
    assert.deepEqual([found.active, found.styled, found.hidden], [0, 0, 0], name);
    assert.ok(found.links.every((one) => ["http:", "https:", "mailto:"].includes(one)), name);
    assert.ok(found.elements < 9000 && found.length < 80_000, `${name} ${JSON.stringify(found)}`);
    const longest = await page.evaluate(() => Math.round(window.longest));
    t.diagnostic(`${name}: ${found.elements} elements, longest task ${longest} ms`);
  }
  await page.show();
  page.clean();
});

test("a text that the lexer cannot read stays plain when it is shown again", async () => {
  const page = await pageOf();
  const bomb = { text: HOSTILE.quotes, done: true };
  for (const key of ["first", "again"]) {
    await page.show("Markdown", { ...bomb, key }, "Markdown", { key: `${key}*`, text: `*${key}*`,
      done: true });
    await page.part(1).locator("em").waitFor();
    assert.equal(await page.part(0).locator(".plain").count(), 1);
    assert.match(await page.part(0).innerText(), /^>{5000}$/);
  }
  page.clean();
});

test("a text from right to left keeps its direction, with the marks of its lists", async () => {
  const page = await pageOf();
  const text = "שלום `code`.\n\n- פריט\n- two\n\n> ציטוט\n\nEnglish.\n";
  await page.show("Markdown", { text, done: true });
  await page.locator("blockquote").waitFor();
  const directions = await page.locator(".markdown > *").evaluateAll((blocks) =>
    blocks.map((block) => getComputedStyle(block).direction));
  assert.deepEqual(directions, ["rtl", "rtl", "rtl", "ltr"]);
  page.clean();
});

test("marks take the place of what is invisible, in text, code and diffs", async () => {
  const page = await pageOf();
  const evil = `a\u202eb ${ESC}[31m`;
  await page.show("Markdown", { text: `${evil}\n\n~~~\n${evil}\n~~~`, done: true },
    "Diff", { patch: `--- a\n+++ a\n@@ -1 +1 @@\n-${evil}\n+${evil}x\n` },
    "Diff", { patch: evil });
  await page.part(1).locator("ins").waitFor();
  await page.part(0).locator("pre").waitFor();
  for (const [part, times] of [[0, 2], [1, 2], [2, 1]]) {
    const text = await page.part(part).textContent();
    assert.equal(text.split("a⟦RLO⟧b ⟦ESC⟧[31m").length - 1, times, text);
  }
  page.clean();
});

test("a block of a megabyte is drawn in part, and more of it when that is asked for", async () => {
  const page = await pageOf();
  await page.show("Markdown", { text: HOSTILE.code, done: true });
  const code = page.locator("pre code");
  const length = () => code.evaluate((element) => element.textContent.length);
  await code.waitFor();
  assert.equal(await length(), 64 * 1024);
  await page.getByRole("button", { name: "Show the rest (960 kB)" }).click();
  await page.getByRole("button", { name: "Show the rest (768 kB)" }).waitFor();
  assert.equal(await length(), 256 * 1024);
  await page.show("Markdown", { key: "prose", text: "word\n\n".repeat(3000), done: true });
  await page.locator("p").first().waitFor();
  const before = await page.locator("p").count();
  await page.getByRole("button", { name: "Show the rest" }).click();
  await page.waitForFunction((count) => document.querySelectorAll("p").length > count, before);
  page.clean();
});

test("a diff shows ten lines, then the others; signs and marks stand beside the colours",
  async () => {
    const page = await pageOf();
    await page.show("Diff", { patch: PATCH }, "Diff", { patch: "no patch\nat all" },
      "Diff", { patch: PATCH.slice(0, -20), cut: true });
    const diff = page.part(0);
    await diff.getByText("diff: 3 lines changed").waitFor();
    assert.equal(await diff.locator(".line").count(), 10);
    assert.equal(await diff.locator("del mark").innerText(), "2");
    assert.equal(await diff.locator("ins mark").innerText(), "3");
    assert.match(await diff.locator(".line.add").first().textContent(), /^2\+ {2}assert/);
    await diff.getByRole("button", { name: "Show 5 more lines…" }).focus();
    await page.keyboard.press("Enter");
    assert.equal(await diff.locator(".line").count(), 15);
    assert.equal(await page.part(1).innerText(), "no patch\nat all");
    await page.part(2).getByRole("button").click();
    await page.part(2).getByText("The diff is longer").waitFor();
    page.clean();
  });

/** An image of one pixel, uploaded by the page's own key. */
function uploaded(page) {
  return page.evaluate(async () => {
    const authorization = `Bearer ${localStorage.getItem("drover.key")}`;
    const send = async (path, type, body) => (await fetch(`/api/v1${path}`, {
      method: "POST", headers: { authorization, "content-type": type }, body,
    })).json();
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 40;
    canvas.getContext("2d").fillRect(0, 0, 20, 40);
    const png = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
    const { id } = await send("/sessions", "application/json", "{}");
    return (await send(`/sessions/${id}/attachments`, "image/png", png)).id;
  });
}

test("images are fetched with the key, open by keyboard, and are given back", async () => {
  const page = await pageOf();
  const path = `/attachments/${await uploaded(page)}`;
  await page.show("Images", { images: [{ path, alt: "shot\u202e one" }, { path, alt: "two" }] });
  const opener = page.getByRole("button", { name: "Open the image: shot⟦RLO⟧ one" });
  await opener.waitFor();
  assert.equal(await opener.locator("img").evaluate(async (image) => {
    await image.decode();
    return image.naturalWidth;
  }), 40);
  await opener.focus();
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog", { name: "shot⟦RLO⟧ one" });
  await dialog.waitFor();
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  assert.equal(await opener.evaluate((button) => document.activeElement === button), true);
  await opener.click();
  await dialog.getByRole("button", { name: "Close" }).click();
  await dialog.waitFor({ state: "detached" });
  const gone = await page.evaluate(async () => {
    const { src } = document.querySelector(".image img");
    window.show();
    await new Promise((resolve) => setTimeout(resolve));
    const image = new Image();
    image.src = src;
    return image.decode().then(() => "still there", () => "given back");
  });
  assert.equal(gone, "given back");
});

test("an image that does not come says so, and is fetched again when that is asked for",
  async () => {
    const page = await pageOf();
    const path = `/attachments/${await uploaded(page)}`;
    await page.route("**/attachments/*", (route) => route.fulfill({
      status: 200, contentType: "image/svg+xml", body: "<svg xmlns='http://www.w3.org/2000/svg'/>",
    }));
    await page.show("Image", { path, alt: "shot" });
    await page.getByText("The image cannot be shown.").waitFor();
    await page.unroute("**/attachments/*");
    await page.getByRole("button", { name: "Try again" }).click();
    await page.getByRole("button", { name: "Open the image: shot" }).waitFor();
    page.clean();
  });

test("on a phone nothing is wider than the screen; axe finds nothing, light and dark", async () => {
  for (const theme of ["light", "dark"]) {
    const page = await pageOf({ viewport: { width: 360, height: 740 } });
    const path = `/attachments/${await uploaded(page)}`;
    await page.evaluate((name) => (document.documentElement.dataset.theme = name), theme);
    await page.show("Markdown", { text: SAMPLE, done: true }, "Diff", { patch: PATCH },
      "Images", { images: [{ path, alt: "shot" }, { path: "/attachments/none", alt: "none" }] },
      "Markdown", { text: "plain".repeat(40), done: false });
    await page.getByRole("heading", { name: "The lock" }).waitFor();
    await page.locator("ins").first().waitFor();
    await page.getByText("The image cannot be shown.").waitFor();
    assert.equal(await overflow(page), 0);
    const table = page.getByRole("group", { name: "Table" });
    assert.ok(await table.evaluate((element) => element.scrollWidth > element.clientWidth));
    assert.deepEqual(await axe(page), [], theme);
    page.clean();
  }
});
