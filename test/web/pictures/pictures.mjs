// pictures.mjs: writes each view to docs/images/: NAME-SIZE-COLOURS.webp.
//
//   node test/web/pictures/pictures.mjs [NAME…]
import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";

import { root } from "../../integration/lib.mjs";
import { releases } from "../bench/measure.mjs";
import { browserOf, opened } from "../browser.mjs";
import { boardOf } from "./board.mjs";
import { largeOf } from "./large.mjs";
import { world } from "./world.mjs";

const SIZES = {
  desktop: { viewport: { width: 1280, height: 800 } },
  phone: { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true },
};
const QUALITY = 75, SUM_MAX = 2_000_000;
const ALL = [["desktop", "light"], ["desktop", "dark"], ["phone", "light"], ["phone", "dark"]];
/** Of views that README and docs do not begin with. */
const FEW = [["desktop", "dark"], ["phone", "light"]];
const folder = path.join(root, "docs/images");

/** One place, and the others beside it. */
const beside = (first, ...others) =>
  `${first}?${new URLSearchParams(others.map((one) => ["beside", one]))}`;

/** Address of each view, what is done there, and what is there when the picture is taken. */
const views = ({ fix, release, review, failed, terminal, ask }) => ({
  home: { at: "/", shows: "nightly" },
  inbox: { at: "/inbox", shows: "run_command" },
  question: { at: `/inbox/${ask}`, shows: "run_command" },
  sessions: { at: "/sessions", shows: "Release 1.4" },
  session: { at: `/s/${fix}`, shows: "One case is open" },
  waiting: { at: `/s/${release}`, shows: "run_command" },
  trace: { at: `/s/${fix}/trace`, shows: "edit_file" },
  panes: { at: beside(`/s/${fix}`, `/s/${release}`), shows: "One case is open",
    of: FEW },
  run: { at: `/r/${review}?view=gantt`, shows: "fix 4" },
  tree: { at: `/r/${review}?view=tree`, shows: "fix 4" },
  "run-trace": { at: `/r/${review}/trace`, shows: "review", of: FEW },
  runs: { at: "/runs", shows: "docs-sweep" },
  workflows: { at: "/workflows", shows: "deep-research", of: FEW },
  workflow: { at: "/workflows/find-issues", shows: "maxRounds", of: FEW },
  usage: { at: "/usage", shows: "Budgets" },
  agents: { at: "/agents", shows: "general-purpose", of: FEW },
  memory: { at: "/memory", shows: "Memory", of: FEW },
  system: { at: "/system", shows: "Backup", of: FEW },
  jobs: { at: "/jobs", shows: "docs-sweep" },
  job: { at: `/j/${failed}`, shows: "takeover" },
  terminal: { at: `/j/${terminal}`, shows: null, ready: (page) =>
    page.locator(".xterm-rows").filter({ hasText: "return port" }).waitFor() },
  palette: { at: "/", shows: "nightly", ready: async (page) => {
    await page.keyboard.press("Control+k");
    await page.getByRole("option", { name: "Release 1.4" }).waitFor();
  }, of: FEW },
  welcome: { at: "/welcome", shows: "Scripted demo" },
  settings: { at: "/settings/models", shows: "Connections" },
  permissions: { at: "/settings/permissions", shows: "Which rule decides", of: FEW },
});

async function picture(browser, desk, { at, shows, ready }, colorScheme, size, file) {
  const page = await opened(browser, desk, { target: at, colorScheme, reducedMotion: "reduce",
    ...SIZES[size] });
  if (shows !== null) {
    await page.locator("main").getByText(shows).locator("visible=true").first().waitFor();
  }
  if (ready !== undefined) await ready(page);
  await page.waitForLoadState("networkidle");
  await page.getByText(/^● live$/).waitFor();
  const cdp = await page.context().newCDPSession(page);
  const { data } = await cdp.send("Page.captureScreenshot", { format: "webp", quality: QUALITY });
  writeFileSync(file, Buffer.from(data, "base64"));
  await page.context().close();
}

async function main(t, wanted) {
  const browser = await browserOf(t), desk = await world(t);
  const later = Object.entries({ ...largeOf(t, desk.root), ...boardOf(t) });
  const others = Object.fromEntries(later.map(([name, view]) => [name, { ...view, of: FEW }]));
  const all = { ...views(desk.of), ...others };
  mkdirSync(folder, { recursive: true });
  for (const name of wanted.length > 0 ? wanted : Object.keys(all)) {
    if (all[name] === undefined) throw new Error(`screenshots: there is no view ${name}`);
    const { make, of = ALL, ...view } = all[name];
    const made = make === undefined ? { desk } : await make();
    for (const [size, colours] of of) {
      const file = path.join(folder, `${name}-${size}-${colours}.webp`);
      await picture(browser, made.desk, { ...view, ...made }, colours, size, file);
    }
  }
  const files = readdirSync(folder).map((name) => path.join(folder, name));
  const sum = files.reduce((bytes, file) => bytes + statSync(file).size, 0);
  process.stdout.write(`docs/images: ${files.length} files, ${(sum / 1000).toFixed(0)} kB\n`);
  if (sum > SUM_MAX) throw new Error(`that is more than ${SUM_MAX / 1000} kB`);
}

const t = releases();
try {
  await main(t, process.argv.slice(2));
} finally {
  await t.end();
}
