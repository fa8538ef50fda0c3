import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Daemon, scratch } from "../integration/lib.mjs";
import { browserOf, opened, PHONE, axe, overflow } from "./browser.mjs";
import { until } from "./beside.mjs";
const rel = [];
const t = { after: (f) => rel.push(f) };
const browser = await browserOf(t);
const daemon = await new Daemon({ data: scratch(t), args: ["--web-dir", process.cwd() + "/build/web/dist"] }).start();
t.after(() => daemon.kill());
const { stdout } = await daemon.cli(["token", "create", "--scope", "read,run,approve"]);
const desk = { daemon, key: stdout.trim().split("\n")[0] };
const root = scratch(t);
const git = (...args) => execFileSync("git", ["-c", "user.name=a", "-c", "user.email=a@b", ...args], { cwd: root });
git("init", "-q", "-b", "main");
mkdirSync(root + "/src"); mkdirSync(root + "/docs");
writeFileSync(root + "/src/a.c", "int main(void) { return 0; }\n"); writeFileSync(root + "/docs/README.md", "# x\n");
git("add", "."); git("commit", "-qm", "first"); git("tag", "v1.0.0");
git("checkout", "-qb", "topic"); writeFileSync(root + "/src/a.c", "int main(void) { return 1; }\n"); git("commit", "-qam", "second: returns 1");
writeFileSync(root + "/src/new.c", "int x;\n");
const api = async (m, p, body) => { const a = await daemon.request(m, `/api/v1${p}`, { local: true, body }); if (a.status >= 300) throw new Error(a.text); return a.json; };
const start = async (name, input) => (await api("POST", "/flows", { name, root, input, model: "scripted/demo" })).id;
const shot = async (name, target, more = {}, act) => {
  for (const [size, opts] of [["wide", {}], ["phone", PHONE]]) for (const colorScheme of ["light", "dark"]) {
    if (size === "phone" && colorScheme === "dark" && !more.all) continue;
    const page = await opened(browser, desk, { target, colorScheme, reducedMotion: "reduce", ...opts });
    await page.getByText(/^● live$/).waitFor();
    await page.waitForLoadState("networkidle");
    if (act) await act(page);
    await page.waitForTimeout(400);
    await page.screenshot({ path: `/tmp/shots/${name}-${size}-${colorScheme}.png` });
    if (process.env.AXE) console.log(name, size, colorScheme, await axe(page), await overflow(page));
    try { page.clean(); } catch (e) { console.log(name, String(e).slice(0, 400)); }
    await page.context().close();
  }
};
const flow = (id) => api("GET", `/runs/${id}/flow`);
const wait = (id, fits) => until(desk, `/runs/${id}/flow`, fits);
const step = (f, id) => f.steps.find((s) => s.step_id === id);
export { api, start, shot, wait, step, flow, root, desk, daemon, browser, opened };
try { await (await import(process.argv[2])).default({ api, start, shot, wait, step, flow, root, desk, daemon, browser, opened, PHONE }); }
finally { for (const f of rel.reverse()) await f(); }
