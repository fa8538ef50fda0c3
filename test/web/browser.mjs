// browser.mjs: Debian's Chromium, driven against a daemon of the test.
//
// A page that the test opens is watched: a violation of its policy, an error, a dialog and a
// request to another host are collected, and end the test (`clean`).
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { chromium } from "playwright-core";

import { Daemon, scratch } from "../integration/lib.mjs";

const axeText = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
/** Hangs end here; nothing waits this long by design. */
const LIMIT_MS = 30_000 * Number(process.env.DROVER_TEST_SCALE ?? 1);

export async function browserOf(t, more = []) {
  const args = ["--no-first-run", "--disable-gpu", ...more];
  if (process.getuid() === 0) args.push("--no-sandbox");
  const executablePath = "/usr/bin/chromium-headless-shell"; // Half the CPU of the whole browser.
  const browser = await chromium.launch({ executablePath, args });
  t.after(() => browser.close());
  return browser;
}

/** A daemon, and a key with these scopes. */
export async function serving(t, scopes = "read,run,approve") {
  const daemon = await new Daemon({ data: scratch(t) }).start();
  t.after(() => daemon.kill());
  const { stdout } = await daemon.cli(["token", "create", "--scope", scopes]);
  return { daemon, key: stdout.trim().split("\n")[0] };
}

/** After each test: pages that are open go on drawing, and make the next ones wait. */
const contexts = new Set();
async function closePages() {
  const ended = [...contexts];
  contexts.clear();
  await Promise.all(ended.map((context) => context.close()));
}

/** For what a file of tests has in common: it ends after them, the last first. */
export function fileOf({ after, afterEach }) {
  const releases = [];
  afterEach(closePages);
  after(async () => {
    for (const release of releases.reverse()) await release();
  });
  return { after: (release) => releases.push(release) };
}

export const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };

/** A person reads: longer than what must have stood on the screen before a press counts. */
export const read = (page) => page.waitForTimeout(450);

/** Opens a path of the daemon's pages; with `key` somebody is signed in. */
export async function opened(browser, { daemon, key }, { target = "/", ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  contexts.add(context);
  context.setDefaultTimeout(LIMIT_MS);
  const faults = [];
  await context.addInitScript((value) => {
    if (value !== undefined) localStorage.setItem("drover.key", value);
    addEventListener("securitypolicyviolation", (event) =>
      console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));
  }, key);
  const page = await context.newPage();
  page.on("console", (line) => line.type() === "error" && !/status of 4\d\d/.test(line.text()) &&
    faults.push(line.text()));
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("dialog", (dialog) => faults.push(`dialog: ${dialog.message()}`));
  page.on("request", (request) =>
    new URL(request.url()).origin === daemon.url || faults.push(`request: ${request.url()}`));
  await page.goto(daemon.url + target);
  return Object.assign(page, { clean: () => assert.deepEqual(faults, []) });
}

/**
 * What axe finds wrong: rule and element. It runs in the page's debugger, not under its policy.
 * Naming each element that is right as well takes half of its time.
 */
export async function axe(page) {
  await page.evaluate(axeText);
  return page.evaluate(async () => (await window.axe.run({ resultTypes: ["violations"] }))
    .violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html}`)));
}

/** Nothing is wider than the screen. */
export const overflow = (page) => page.evaluate(() =>
  document.documentElement.scrollWidth - document.documentElement.clientWidth);
