/** Why an agent, or a run, does not move: one sentence, from what the engine itself says. Pure. */
import type { Limit } from "../api/types.ts";
import { causeText } from "../parts/cause.ts";
import { isOver, type Agent, type RunState } from "./fold.ts";
import { words } from "./words.ts";

/** What frames of `agent_progress` say of an agent. */
export interface Progress {
  run: string; tool?: string | null; tokens?: number; tokens_s?: number;
  cost_micros?: number | null;
  /** null: neither its model nor a tool is waited for. */
  silent_ms?: number | null; arguments_streaming?: boolean;
  /** It waits for a place of this connection. */
  limit?: string; name?: string;
  /** When the frame came, by the daemon's clock; and since when it has had this tool. */
  at_ms: number; tool_ms?: number;
}
/** `waiting` of `GET /runs/{id}/agents`, and the last sign of life there. */
export interface Known {
  waiting?: { for: string; since_ms?: number; approval?: string; tool?: string; note?: string;
    resume_at_ms?: number | null; cause?: string; limit?: string; name?: string } | null;
  last_ms?: number | null; tokens?: number; cost_micros?: number | null;
  usage?: { fresh: number; cache_read: number; cache_write: number; output: number };
}
export interface Facts {
  agent: Agent;
  progress?: Progress | undefined;
  known?: Known | undefined;
  limits?: readonly Limit[] | undefined;
  stuck_ms: number | null;
}
export interface Sentence {
  kind: "ask" | "budget" | "provider" | "slot" | "silent" | "tool" | "works";
  text: string;
  /** How long it has lasted. */
  ms: number;
}

/** Shorter silence is no news. */
export const SILENT_MS = 10_000;

/** Whether anything says when it was heard of last; else its silence is no news. */
export const isHeard = ({ progress, known }: Facts): boolean =>
  (progress === undefined ? known?.last_ms : progress.silent_ms) != null;

/** Time since the last token, call or byte. */
export function pulse({ agent, progress, known }: Facts, now_ms: number): number {
  const told = progress === undefined ? 0 : progress.at_ms - (progress.silent_ms ?? 0);
  return Math.max(0, now_ms - Math.max(agent.at_ms, told, known?.last_ms ?? 0));
}

function slotText({ agent: { gate }, progress, known, limits = [] }: Facts): string {
  const limit = gate?.limit ?? progress?.limit ?? known?.waiting?.limit ?? "";
  const name = gate?.name ?? progress?.name ?? known?.waiting?.name ?? "";
  if (limit === "commands") return words.why.commands;
  if (limit === "" && name === "") return words.why.turn;
  const text = words.why.slot(limit === "run" ? words.why.run : name);
  const row = limits.find((one) => one.limit === limit && (one.name ?? "") === name);
  return row?.at_once == null ? text : words.why.slotOf(text, row.running, row.at_once);
}

type Reason = Pick<Sentence, "kind" | "text"> & { since_ms?: number | undefined };

function budgetText(note: string | undefined, resume_ms: number | null | undefined): string {
  return note ?? (resume_ms == null ? words.why.budget : words.why.midnight(resume_ms));
}

/** What it waits for; null: for nothing. */
function reason(facts: Facts, now_ms: number): Reason | null {
  const { agent, known } = facts, [ask] = agent.asks, waiting = known?.waiting ?? null;
  if (ask !== undefined) {
    const text = ask.tool === "" ? words.why.askFor : words.why.ask(ask.tool, now_ms - ask.at_ms);
    return { kind: "ask", text, since_ms: ask.at_ms };
  }
  const provider = (cause: string | undefined, at_ms: number | null | undefined): Reason => ({
    kind: "provider",
    text: words.why.provider(causeText(cause),
      at_ms == null ? null : at_ms - now_ms),
  });
  if (agent.state === "retrying" && agent.gate?.gate === "budget") {
    return { kind: "budget", text: budgetText(agent.gate.note, agent.gate.resume_at_ms) };
  }
  if (agent.state === "retrying") return provider(agent.gate?.cause, agent.gate?.resume_at_ms);
  if (agent.state === "queued") {
    const since_ms = agent.queued_ms ?? undefined;
    return agent.gate?.gate === "budget"
      ? { kind: "budget", text: budgetText(agent.gate.note ?? waiting?.note,
        agent.gate.resume_at_ms), since_ms }
      : { kind: "slot", text: slotText(facts), since_ms };
  }
  if (facts.progress?.limit !== undefined) return { kind: "slot", text: slotText(facts) };
  // What was read may be older than what events have said since.
  if (waiting === null || (waiting.since_ms ?? 0) < agent.at_ms) return null;
  const { since_ms } = waiting;
  switch (waiting.for) {
    case "approval":
      return { kind: "ask", since_ms, text: words.why.ask(waiting.tool ?? "",
        now_ms - (since_ms ?? now_ms)) };
    case "budget": case "midnight":
      return { kind: "budget", since_ms, text: budgetText(waiting.note, waiting.resume_at_ms) };
    case "slot":
      return { kind: "slot", since_ms, text: slotText(facts) };
    case "provider":
      return { ...provider(waiting.cause, waiting.resume_at_ms), since_ms };
    default:
      return null;
  }
}

/** null: it is over. */
export function sentence(facts: Facts, now_ms: number): Sentence | null {
  const { agent, progress, stuck_ms } = facts;
  if (isOver(agent)) return null;
  const why = reason(facts, now_ms);
  if (why !== null) {
    const { kind, text, since_ms = agent.at_ms } = why;
    return { kind, text, ms: Math.max(0, now_ms - since_ms) };
  }
  const ms = pulse(facts, now_ms);
  if (progress?.tool) {
    const began_ms = progress.tool_ms ?? progress.at_ms - (progress.silent_ms ?? 0);
    const since = Math.max(0, now_ms - began_ms);
    return { kind: "tool", text: words.why.tool(progress.tool, since), ms: since };
  }
  if (ms >= SILENT_MS && isHeard(facts)) {
    const text = words.why.silent(ms);
    return { kind: "silent", ms,
      text: stuck_ms === null ? text : words.why.restarts(text, stuck_ms) };
  }
  const text = progress?.arguments_streaming ? words.why.calls
    : (progress?.tokens_s ?? 0) > 0 ? words.why.writes(progress?.tokens_s ?? 0) : words.why.works;
  return { kind: "works", text, ms };
}

const RANK: readonly Sentence["kind"][] =
  ["ask", "budget", "silent", "provider", "slot", "tool", "works"];

export interface Culprit {
  /** null: of the run itself. */
  agent: Agent | null;
  sentence: Sentence;
  /** Others that are at work. */
  busy: number;
}

/** What holds the run up most, and longest. null: it has ended. */
export function culprit(
  state: RunState, factsOf: (agent: Agent) => Facts, now_ms: number): Culprit | null {
  if (state.end !== null) return null;
  let worst: Culprit | null = null, busy = 0, heard = Infinity;
  for (const agent of state.agents.values()) {
    const facts = factsOf(agent), found = sentence(facts, now_ms);
    if (found === null) continue;
    if (found.kind === "works" || found.kind === "tool") {
      busy++;
      heard = Math.min(heard, pulse(facts, now_ms));
    }
    const rank = RANK.indexOf(found.kind);
    const before = worst === null ? Infinity : RANK.indexOf(worst.sentence.kind);
    if (rank < before || (rank === before && found.ms > (worst?.sentence.ms ?? 0))) {
      worst = { agent, sentence: found, busy: 0 };
    }
  }
  const own = (kind: Sentence["kind"], text: string): Culprit =>
    ({ agent: null, busy, sentence: { kind, text, ms: 0 } });
  if (worst?.sentence.kind === "ask") return { ...worst, busy };
  if (state.paused) return own("slot", words.why.paused);
  if (worst === null) {
    const due_ms = Math.min(...state.timers.values());
    return Number.isFinite(due_ms) ? own("slot", words.why.timer(due_ms, now_ms))
      : own("works", words.why.begins);
  }
  // A queue behind agents that are at work is how a run goes on.
  const moves = busy > 0 && ["slot", "tool", "works"].includes(worst.sentence.kind);
  if (!moves) return { ...worst, busy };
  return own("works", `${words.why.atWork(busy)}, ${words.why.heard(heard)}`);
}
