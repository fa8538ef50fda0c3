/** What a conversation is drawn from: rows, so that a long answer is drawn in pieces, too. Pure; a
 *  message that did not change has the same rows. */
import type { Message, Part } from "../state/message.ts";

/** `versions`: of a head, the answers to the same question by their age, if there are several. */
export type Row = { key: string; message: Message; versions?: readonly string[] } & (
  | { kind: "user" | "head" | "mark" | "notice" | "end" | "live" }
  | { kind: "text" | "thought" | "note" | "error" | "steer"; part: Part; done: boolean }
  | { kind: "tools" | "images"; parts: Part[] });

type Kind = Row["kind"];
const KINDS: Record<string, Kind> = {
  text: "text", thinking: "thought", error: "error", steer: "steer", notice: "note",
  tool: "tools", image: "images",
};
const GROUPS: readonly Kind[] = ["tools", "images"];

export const isRunning = ({ status }: Message): boolean => status === "running";
const isOver = ({ status }: Message): boolean => status === "interrupted" || status === "failed";

function partRows(message: Message): Row[] {
  const rows: Row[] = [];
  const seen = new Map<Kind, number>();
  const last = message.parts.at(-1);
  for (const part of message.parts) {
    const kind = KINDS[part.kind];
    if (kind === undefined || (part.text === "" && !GROUPS.includes(kind))) continue;
    const before = rows.at(-1);
    if (before?.kind === kind && "parts" in before) {
      before.parts.push(part);
      continue;
    }
    // Counted, not numbered: an answer that runs has no numbers yet.
    const count = (seen.get(kind) ?? 0) + 1;
    seen.set(kind, count);
    const key = `${message.id}/${kind}${count}`;
    const done = !isRunning(message) || part !== last;
    rows.push(GROUPS.includes(kind) ? { key, message, kind: kind as "tools", parts: [part] }
      : { key, message, kind: kind as "text", part, done });
  }
  return rows;
}

function made(message: Message): Row[] {
  const { id, role } = message;
  const one = (kind: "user" | "head" | "mark" | "notice" | "end" | "live"): Row =>
    ({ key: `${id}/${kind}`, message, kind });
  if (role === "user") return message.status === "joined" ? [] : [one("user")];
  if (role === "system") return [one("mark")];
  if (role === "notice") return [one("notice")];
  const rows = [one("head"), ...partRows(message)];
  const told = rows.some(({ kind }) => kind === "error");
  if (isRunning(message)) rows.push(one("live"));
  else if (isOver(message) && !told) rows.push(one("end"));
  return rows;
}

const known = new WeakMap<Message, Row[]>();

/** Answers by their question. */
function versionsOf(messages: readonly Message[]): Map<string, string[]> {
  const all = new Map<string, string[]>();
  for (const { id, role, reply_to } of messages) {
    if (role === "assistant" && reply_to) all.set(reply_to, [...all.get(reply_to) ?? [], id]);
  }
  return all;
}

export function rowsOf(messages: readonly Message[], queue: readonly string[]): Row[] {
  const waiting = new Set(queue), versions = versionsOf(messages);
  const all: Row[] = [];
  for (const message of messages) {
    if (waiting.has(message.id) || !message.active) continue;
    let rows = known.get(message);
    if (rows === undefined) known.set(message, rows = made(message));
    const others = versions.get(message.reply_to ?? "") ?? [];
    all.push(...(others.length < 2 || rows[0]?.kind !== "head" ? rows
      : [{ ...rows[0], versions: others }, ...rows.slice(1)]));
  }
  return all;
}

/** How the calls of a group stand: done, failed, waiting for somebody, running. */
export interface Tally {
  calls: number; ms: number | null; states: [state: string, count: number][];
}

const GOOD = ["succeeded"], BAD = ["failed", "denied", "outcome_unknown"];

export function stateOf({ state = "" }: Part): string {
  if (GOOD.includes(state)) return "succeeded";
  if (BAD.includes(state)) return "failed";
  return state === "asking" ? "waiting" : state === "cancelled" ? "cancelled" : "running";
}

export function tally(parts: readonly Part[]): Tally {
  const counts = new Map<string, number>();
  for (const part of parts) counts.set(stateOf(part), (counts.get(stateOf(part)) ?? 0) + 1);
  const order = ["succeeded", "failed", "cancelled", "running", "waiting"];
  const times = parts.flatMap(({ ms }) => (typeof ms === "number" ? [ms] : []));
  return {
    calls: parts.length,
    ms: times.length === 0 ? null : times.reduce((sum, one) => sum + one, 0),
    states: order.flatMap((state) => (counts.has(state) ? [[state, counts.get(state)!]] : [])),
  };
}

/** Arguments in a line: a command as it is written, a path, or the first values. */
export function summary({ data }: Part): string {
  const given = data?.arguments;
  if (typeof given !== "object" || given === null) {
    return typeof data?.arguments_text === "string" ? data.arguments_text.slice(0, 200) : "";
  }
  const { command, args, path } = given as Record<string, unknown>;
  if (typeof command === "string") {
    return [command, ...(Array.isArray(args) ? args.map(String) : [])].join(" ").slice(0, 200);
  }
  if (typeof path === "string") return path.slice(0, 200);
  return Object.values(given).filter((value) => typeof value !== "object").map(String).join(" ")
    .slice(0, 200);
}

/** The page of what a call began. */
export function begunBy({ name, run, text }: Part):
{ kind: "job" | "workflow" | "session"; path: string } | null {
  if (name === "run_job" && run !== undefined) return { kind: "job", path: `/j/${run}` };
  if (name === "run_workflow") { // The event of its end has no run.
    const begun = run ?? /"runId":\s*"(run_[0-9a-z]+)"/.exec(text)?.[1];
    return begun === undefined ? null : { kind: "workflow", path: `/r/${begun}` };
  }
  const session = /"session":\s*"(ses_[0-9a-z]+)"/.exec(text)?.[1];
  return session === undefined ? null : { kind: "session", path: `/s/${session}` };
}

export function diffOf({ data }: Part): { patch: string; cut: boolean } | null {
  const about = data?.about as { diff?: unknown; diff_cut?: unknown } | undefined;
  return typeof about?.diff === "string" && about.diff !== ""
    ? { patch: about.diff, cut: about.diff_cut === true } : null;
}

/** Lines that a diff adds and removes. */
export function changes(patch: string): [added: number, removed: number] {
  let added = 0, removed = 0;
  for (const line of patch.split("\n")) {
    if (line.startsWith("+") && !line.startsWith("+++")) added++;
    else if (line.startsWith("-") && !line.startsWith("---")) removed++;
  }
  return [added, removed];
}
