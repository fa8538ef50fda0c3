/** Texts of flows and of their runs. */
import { count } from "../parts/text.ts";

const many = (n: number, one: string): string => `${count(n)} ${n === 1 ? one : `${one}s`}`;

export const words = {
  views: "Views",
  tabs: { graph: "Steps", report: "Report", input: "Input" },
  trace: "Trace",
  stop: "Stop",
  startAgain: "Start again",
  ofFlow: (name: string) => `flow ${name}`,
  steps: (n: number) => many(n, "step"),
  of: (done: number, total: number) => `${count(done)} of ${count(total)}`,
  waits: (n: number) => `${count(n)} ${n === 1 ? "waits" : "wait"} for you`,
  failed: (n: number) => `${count(n)} failed`,
  out: (n: number) => `${count(n)} not done`,
  rewinds: (n: number) => `sent back ${n === 1 ? "once" : `${count(n)} times`}`,
  unpriced: (n: number) => `${many(n, "call")} of unknown price`,
  stages: { steps: "steps are done", report: "its report is made", over: "" } as
    Record<string, string>,
  failedStep: "Failed at step",
  waitsAt: "Waits for you at step",
  noSteps: "This flow has no steps.",
  graph: "Steps of the flow",
  edgesCut: "There are more dependencies than can be drawn. A step names its own when it is open.",

  /* --- A step --- */
  statuses: {
    pending: "not begun", running: "running", blocked: "waits", completed: "done",
    failed: "failed",
    skipped: "skipped", cancelled: "cancelled", timed_out: "timed out", excluded: "left out",
  } as Record<string, string>,
  phases: {
    ready: "waits for a place", when: "asks whether it is wanted", cases: "chooses",
    run: "is evaluated", output: "its output is read", person: "waits for you",
    until: "asks whether its loop is over", ending: "is being stopped",
    pause: "waits for its next try",
  } as Record<string, string>,
  asks: "waits for you",
  causes: {
    when: "not wanted", not_chosen: "another branch was chosen",
    upstream_skipped: "what it needs was not done", threw: "its function threw",
    child_failed: "what it began has failed", timed_out: "it took too long",
    batch_timed_out: "its batch took too long", loop_max: "its loop did not come to an end",
    rejected: "rejected", unanswered: "not answered in time",
    rewinds_max: "sent back too often", run_over: "the run is over",
  } as Record<string, string>,
  kinds: {
    agent: "agent", code: "code", approval: "approval", switch: "switch", command: "command",
    workflow: "workflow", flow: "flow",
  } as Record<string, string>,
  tries: (n: number) => `${count(n + 1)} tries`,
  rounds: (n: number) => many(n, "round"),
  took: "took",
  began: "began",
  after: (names: string) => `after ${names}`,
  chose: (label: string | null) => `chose ${label ?? "default"}`,
  branchOf: (label: string | null) => label ?? "default",
  chosen: "chosen", notChosen: "not chosen",
  batch: (name: string) => `batch ${name}`,

  /* --- Its details --- */
  step: (name: string) => `Step ${name}`,
  close: "Close",
  why: "Why",
  now: "How it stands",
  kind: "kind", state: "state", rule: "begins after", tried: "tries", roundsOf: "rounds",
  inBatch: "batch", inBranch: "branch",
  rules: {
    all_success: "all of them", one_success: "the first of them", all_done: "all have ended",
    none_failed_min_one_success: "one of them, none failed",
  } as Record<string, string>,
  branchText: (by: string, label: string | null) => `${label ?? "default"} of ${by}`,
  needs: "Waits for", leads: "Then",
  question: "Question",
  prompt: "Prompt", asked: "What was asked", command: "Command", given: "What it got",
  result: "Result", answer: "Answer",
  approved: "Approved", rejected: "Rejected",
  by: (name: string, time: string) => `by ${name}, ${time}`,
  cut: "This is the beginning.",
  toRun: "Its run", toSession: "Its session", toJob: "Its log", toQuestion: "The question",

  /* --- Report and input --- */
  noReport: "The report is made after the last step.",
  noReportEnded: "This run has no report.",
  file: "File",
  input: "Input",

  /* --- A flow --- */
  flow: "Flow",
  all: "All workflows and flows",
  broken: (line: number, detail: string) => `broken, line ${line}: ${detail}`,
  startTitle: "Start",
  questionLabel: "Question",
  questionAbout: "what it is about; may be empty",
  inputLabel: "Input",
  inputAbout: "a JSON object; may be empty",
  badInput: "This is no JSON object.",
  model: "Model",
  modelAbout: "of agents that name none",
  check: "Check",
  start: "Start",
  mayNot: "Your key may look, and not start. To start a flow it needs the scope run.",
  checking: "The file is read…",
  noFolder: "Without a project folder, its commands run in no project.",
  plan: "Plan",
  planAbout: (steps: number, layers: number) =>
    `${many(steps, "step")} in ${many(layers, "wave")}. Nothing has begun.`,
  left: (n: number) => ` ${many(n, "step")} would be left out with this input.`,
  invalid: "It cannot start:",
  source: "Source",
  loadAgain: "The daemon has another version of this page. Load it again.",
};
