/** Texts of a workflow run. */
import { clockTime, count, elapsed, money, timeTo } from "../parts/text.ts";

const seconds = (ms: number): string => (ms < 60_000 ? `${Math.floor(ms / 1000)} s` : elapsed(ms));
const agents = (n: number): string => `${count(n)} ${n === 1 ? "agent" : "agents"}`;

const clock = new Intl.DateTimeFormat("en", { hourCycle: "h23", hour: "2-digit", minute: "2-digit",
  second: "2-digit" });

export const words = {
  run: "Run",
  paused: "paused",
  views: "Views",
  tabs: { tree: "Tree", gantt: "Gantt", script: "Script", log: "Log", result: "Result" },
  trace: "Trace",
  elsewhere: "This run has no page of its own: it belongs to another run.",
  toParent: "To that run",
  otherBuild: "The daemon has another version of this page: load it again.",
  linkCopied: "The link was copied.", linkNotCopied: "The link could not be copied.",
  actions: "Actions",
  exported: { html: "Export as a page", json: "Export as JSON" },
  pause: "Pause", resume: "Resume", stop: "Stop",
  agents: "Agents",
  timeline: "Time line",
  of: (done: number, total: number) => `${count(done)} of ${count(total)}`,
  cached: (n: number) => `${count(n)} cached`,
  waits: (n: number) => `${count(n)} ${n === 1 ? "waits" : "wait"}`,
  failed: (n: number) => `${count(n)} failed`,
  unpriced: (n: number) => `${count(n)} ${n === 1 ? "call" : "calls"} of unknown price`,
  unpricedShort: " + ?",
  unlisted: "more than a plan lists: nothing is marked as not planned",
  agentsMore: "Some agents are not shown: their events are not kept any more.",
  budgetOf: (text: string) => `of ${text}`,
  fuse: (spent: string, reserved: string, left: string) =>
    `Budget: ${spent} spent, ${reserved} reserved, ${left} left`,
  noPhase: "without a phase",
  after: (title: string) => `after ${title || "the phase before"}`,
  planned: "planned",
  plannedMany: (n: number) => `planned × ${n}`,
  plan: "plan",
  unplanned: "not planned",
  noLabel: "agent",
  attempts: (n: number) => `${n} tries`,
  seconds,
  bars: { queued: "queued", run: "busy", wait: "waited for you",
    retry: "waited for its provider", cached: "cached" } as Record<string, string>,
  none: "The script has asked no agent yet.",
  noneAtAll: "The script asked no agent.",
  zoomIn: "Zoom in", zoomOut: "Zoom out", zoomFit: "All of it",

  /* --- Why it does not move --- */
  why: {
    paused: "paused: no agent begins",
    ask: (tool: string, ms: number) => `waits for you: ${tool}, ${elapsed(ms)}`,
    askFor: "waits for you",
    budget: "waits for room in a budget",
    midnight: (at_ms: number) => `waits for midnight: the budget of the day is used up (${
      clockTime(at_ms)})`,
    slot: (name: string) => `waits for a slot${name === "" ? "" : ` of ${name}`}`,
    slotOf: (text: string, running: number, at_once: number) =>
      `${text}: ${running} of ${at_once} are taken`,
    turn: "waits for its turn",
    commands: "waits until another command has ended",
    run: "this run",
    provider: (cause: string, ms: number | null) => `its provider: ${cause}, next try ${
      ms === null || ms <= 0 ? "now" : `in ${seconds(ms)}`}`,
    silent: (ms: number) => `silent ${seconds(ms)}`,
    restarts: (text: string, ms: number) => `${text}, restarts at ${Math.round(ms / 1000)} s`,
    tool: (tool: string, ms: number) => `${tool}, ${seconds(ms)}`,
    writes: (rate: number) => `writes, ${Math.round(rate)} tokens/s`,
    calls: "writes a call",
    works: "busy",
    queued: (n: number) => `${agents(n)} ${n === 1 ? "waits" : "wait"} for a slot`,
    begins: "The script works; no agent is busy.",
    timer: (at_ms: number, now_ms: number) => `waits for its timer, until ${timeTo(at_ms, now_ms)}`,
    atWork: (n: number) => `${agents(n)} busy`,
    others: (n: number) => `${count(n)} more busy`,
    heard: (ms: number) => `last word ${ms < 1000 ? "just now" : `${seconds(ms)} ago`}`,
    runQueued: "It waits until another run has ended.",
  },

  /* --- The past --- */
  scrubber: "Event",
  eventOf: (at: number, head: number) => `#${count(at)} of ${count(head)}`,
  time: (at_ms: number) => clock.format(at_ms),
  valueText: (at: number, head: number, time: string) => `event ${at} of ${head}, ${time}`,
  back1: "Event before", on1: "Next event",
  live: "Live", toEnd: "To the end",
  past: (at: number, time: string) => `This is how it was at event ${count(at)}, ${time}.`,
  floor: (seq: number) =>
    `Events up to #${count(seq)} are not kept any more; the past begins there.`,
  compare: "Compare with the run before",
  again: "Run again from here", againAll: "Run again",
  againTitle: (seq: number) => `Run again from event ${count(seq)}`,
  againLives: "The run goes on. It can be run again once it has ended.",
  stopFirst: "Stop it first",
  stopping: "It is being stopped…",
  reading: "What it would do…",
  againSays: (cached: number, anew: number) =>
    `${agents(cached)} cached, ${agents(anew)} asked again.`,
  price: (micros: number, cached: number) => `${cached > 0 ? "The rest" : "It"} costs at most ${
    money(micros)}, if each agent calls its model once.`,
  priceUnknown: (n: number) => `The price of ${agents(n)} is not known.`,
  cut: "The rehearsal was not played to its end; there may be more.",
  unfit: "It cannot be run again:",
  start: "Start", cancel: "Cancel",

  /* --- One agent --- */
  inspector: (name: string) => `Agent ${name}`,
  close: "Close",
  restart: "Restart", skip: "Skip", session: "Session",
  now: "Now", lastWord: "last word", tokens: "tokens", output: "output tokens", cost: "cost",
  cacheRate: (percent: number) => ` · ${percent} % cached`,
  worktree: "working tree", model: "model", type: "type", took: "took", attempt: "attempt",
  began: "began", place: "in the script", ranAs: "result of", line: (n: number) => `line ${n}`,
  prompt: "Prompt", tools: "Tools", result: "Result", cause: "Why",
  times: (n: number) => `× ${n}`,
  noTools: "It has called no tool.",
  toolsMore: (n: number) => `These are its first ${n} calls; the trace has all of them.`,
  ago: (ms: number) => (ms < 1000 ? "just now" : `${seconds(ms)} ago`),
  pastAsk: (tool: string) => `It waited for an answer: ${tool}`,

  /* --- Script, log, result --- */
  noScript: "This daemon does not show the script of a run.",
  callsAt: (n: number) => `${agents(n)} called here`,
  scripts: "Scripts",
  newBelow: (n: number) => `${count(n)} new below`,
  noLines: "No line yet.",
  noLinesEnded: "It wrote no line.",
  phase: "Phase",
  noResult: "There is a result once the script has returned.",
  failures: "Agents that failed",
  error: "The script failed",
  at: (line: number, column: number | undefined, file: string | undefined) =>
    `${file ?? "the script"}, line ${line}${column === undefined ? "" : `, column ${column}`}`,
  returned: "What the script returned",
  resultCut: "The result is longer than a stream carries; the API has all of it.",
};
