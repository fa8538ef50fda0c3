/** What is wrong, of what the daemon says: each finding with what to do. These are the checks of
 *  `drover doctor` that ask the daemon. Pure. */
import type { Agent, Ready, Version } from "../api/types.ts";
import { words } from "./words.ts";

/** The data directory, whose folder of backups is known, as a shell reads it. */
export function dataOf(folder: string): string {
  const data = folder.replace(/\/[^/]*$/, "");
  return /^[\w/.+-]+$/.test(data) ? data : `'${data.replaceAll("'", "'\\''")}'`;
}

export type Verdict = "ok" | "warn" | "fail";
export interface Finding {
  verdict: Verdict; what: string; text: string; todo?: string; command?: string; run?: string;
}
export interface Known {
  ready: Ready | null;
  /** Why the daemon takes no work: the detail of the answer 503. */
  stuck: string | null;
  version: Version | null; agents: readonly Agent[]; otherBuild: boolean;
}

const SIZES: [bytes: number, name: string][] = [[2 ** 30, "GB"], [2 ** 20, "MB"], [2 ** 10, "kB"]];

export function sizeText(bytes: number): string {
  const [unit, name] = SIZES.find(([least]) => bytes >= least) ?? [1, "bytes"];
  const value = bytes / unit;
  return `${value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 1 : 0 })} ${name}`;
}

const orNull = (bytes: number | null | undefined): string | null =>
  (bytes == null || bytes <= 0 ? null : sizeText(bytes));

function descriptors({ descriptors: given }: Ready, now_ms: number): Finding[] {
  if (given === undefined) return [];
  const used = given.used === null ? "–" : String(given.used), limit = given.limit ?? 0;
  const since_ms = given.waiting_since_ms ?? 0;
  const what = words.files, text = words.filesOk(used, limit);
  if (since_ms <= 0) return [{ verdict: "ok", what, text }];
  const seconds = Math.max(0, Math.floor((now_ms - since_ms) / 1000));
  return [{ verdict: "warn", what, text: words.filesBad(seconds) + text, todo: words.filesDo }];
}

function size({ disk }: Ready): Finding[] {
  if (disk === undefined || disk.bytes === null) return [];
  const text = words.sizeIs(sizeText(disk.bytes), orNull(disk.limit), orNull(disk.free_bytes));
  if (disk.level === "ok") return [{ verdict: "ok", what: words.size, text }];
  const isFull = disk.level === "full";
  return [{ verdict: isFull ? "fail" : "warn", what: words.size,
    text: isFull ? words.sizeFull + text : text, todo: words.sizeDo,
    command: words.sizeCommand }];
}

function counted(ready: Ready): Finding[] {
  const { failed_starts = 0, last_runs = [], damaged = 0, missing = 0, mark_errors = 0,
    unknown_folders = 0 } = ready;
  const found: (Finding | false)[] = [
    failed_starts > 0 && { verdict: "warn", what: words.starts, todo: words.startsDo,
      text: words.startsBad(failed_starts),
      ...(last_runs[0] !== undefined && { run: last_runs[0] }) },
    damaged > 0 ? { verdict: "fail", what: words.pages, text: words.pagesBad(damaged),
      todo: words.pagesDo } : { verdict: "ok", what: words.pages, text: words.pagesOk },
    missing > 0 && { verdict: "fail", what: words.commits, text: words.commitsBad(missing),
      todo: words.commitsDo },
    mark_errors > 0 && { verdict: "warn", what: words.mark, text: words.markBad(mark_errors),
      todo: words.markDo },
    unknown_folders > 0 && { verdict: "fail", what: words.folders,
      text: words.foldersBad(unknown_folders), todo: words.foldersDo,
      command: words.foldersCommand },
    ready.pages?.taken === true && { verdict: "warn", what: words.port,
      text: words.portBad(ready.pages.port), todo: words.portDo },
  ];
  return found.filter((one) => one !== false);
}

const broken = (agents: readonly Agent[]): Finding[] =>
  agents.filter(({ state }) => Object.hasOwn(words.agentStates, state)).map((agent) => ({
    verdict: "warn", what: words.agent,
    text: words.agentBad(agent.name, words.agentStates[agent.state] ?? "", agent.why ?? ""),
  }));

const ORDER: readonly Verdict[] = ["fail", "warn", "ok"];

/** Failures first, then warnings. */
export function findingsOf(known: Known, now_ms: number): Finding[] {
  const { ready, stuck, version, agents, otherBuild } = known;
  const found: Finding[] = [];
  if (stuck !== null) found.push({ verdict: "fail", what: words.progress, text: stuck });
  if (ready !== null) {
    found.push({ verdict: "ok", what: words.progress, text: words.progressOk });
    found.push(...counted(ready), ...descriptors(ready, now_ms), ...size(ready));
  }
  if (version?.held) {
    found.push({ verdict: "warn", what: words.hold, text: words.holdBad, todo: words.holdDo });
  }
  if (otherBuild) {
    found.push({ verdict: "warn", what: words.build, text: words.otherBuild });
  }
  found.push(...broken(agents));
  return ORDER.flatMap((verdict) => found.filter((one) => one.verdict === verdict));
}

export interface LogLine { at: string; level: string; text: string }

/** A line of the log; what is no event (the last words of a crash) stays as it is. */
export function lineOf(line: string): LogLine {
  let event: unknown = null;
  try {
    event = JSON.parse(line);
  } catch {
    // Not an event.
  }
  const isEvent = typeof event === "object" && event !== null &&
    typeof (event as { what?: unknown }).what === "string";
  if (!isEvent) return { at: "", level: "", text: line };
  const { at, level, what, ...rest } = event as Record<string, unknown>;
  const about = Object.entries(rest).map(([name, value]) =>
    ` ${name}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  return { at: String(at ?? ""), level: String(level ?? ""), text: String(what) + about.join("") };
}

export const isProblem = ({ level }: LogLine): boolean => level !== "info" && level !== "debug";
