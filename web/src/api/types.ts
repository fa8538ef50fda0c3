/** Shapes of what the daemon answers, and words and limits of what it takes.
 *  Written by `make types` (web/types.mjs). */

export const PROGRAMS =
  ["claude", "codex", "opencode", "kilo", "pi", "json_lines", "plain"] as const;
export const MUST_KINDS = ["file", "command", "output", "text", "unchanged"] as const;
export const PRIORITY = 5;
export const ATTEMPTS_MAX = 5;
export const PROJECT_NAME_MAX = 64;
export const IMAGES_MAX = 16;
export const SUBAGENT_LABEL_MAX = 100;
export const SEARCH_MAX = 200;
export const BULK_MAX = 100;

export interface Page<T> {
  items: T[]; next: string | null; left_out?: number; partial?: boolean; total?: number;
  more?: boolean;
}
export interface Overview {
  runs: Record<string, Record<string, number>>; waiting: Waiting;
  unseen: { runs: Record<string, number>; ended: Ended[]; sessions: UnseenSession[] }; today: Today;
}
export interface Waiting {
  items: Wait[]; count: number; more: boolean; kinds: Record<string, number>;
}
export interface Wait {
  kind: "ask" | "question" | "plan" | "review" | "stopped" | "mail" | "delivery" | "budget" |
    "agent" | "task_failed" | "run_failed" | "session_failed";
  id: string; project: string | null; name: string | null; text: string | null;
  about: string | null; by: string | null; run: string | null; session: string | null;
  since_ms: number; until_ms: number | null; seq: number | null; runs: number | null;
}
export interface Ended {
  id: string; kind: string; label: string | null; state: string; cause: string | null;
  about: string | null; ended_ms: number; seq: number;
}
export interface UnseenSession {
  id: string; title: string | null; status: string; changed_ms: number; seq: number;
}
export interface Today {
  calls: number; output: number; tokens: number; cost_micros: number; cost_unknown: number;
  reserved_tokens: number; reserved_cost_micros: number;
}
export interface Progress {
  done: number; total: number; cached?: number; waiting: number; failed: number; last_ms?: number;
}
export interface Run {
  id: string; kind: "job" | "turn" | "agent" | "workflow" | "flow" | "title";
  state: "queued" | "running" | "waiting" | "succeeded" | "degraded" | "failed" | "cancelled" |
    "timed_out" | "lost";
  gate: string | null; waits_for?: string; resume_at_ms: number | null; cause: string | null;
  about: string | null; note: string | null; exit_code: number | null; stop: string | null;
  attempt: number; attempts: number; host_away?: boolean; host?: string; parent: string | null;
  retry_of?: string; label: string | null; command?: string; key: string | null; key_max?: number;
  priority: number; once: boolean; made_ms: number; not_before_ms: number | null;
  started_ms: number | null; ended_ms: number | null; stream: string; progress?: Progress;
  cost_micros?: number | null; cost_unknown?: number; timeout_ms?: number;
}
export interface WholeRun extends Run {
  spec: Record<string, unknown> | null; result: unknown;
}
export interface Work {
  id: string; kind: "job" | "turn" | "agent" | "workflow" | "flow" | "title";
  state: "queued" | "running" | "waiting" | "succeeded" | "degraded" | "failed" | "cancelled" |
    "timed_out" | "lost";
  gate: string | null; waits_for?: string; resume_at_ms: number | null; cause: string | null;
  about: string | null; note: string | null; exit_code: number | null; stop: string | null;
  attempt: number; attempts: number; host_away?: boolean; host?: string; parent: string | null;
  retry_of?: string; label: string | null; command?: string; key: string | null; key_max?: number;
  priority: number; once: boolean; made_ms: number; not_before_ms: number | null;
  started_ms: number | null; ended_ms: number | null; stream: string; progress?: Progress;
  cost_micros?: number | null; cost_unknown?: number; subagent: string | null; title: string | null;
  delivery: null | "pending" | "delivered" | "dropped"; notice: string | null;
}
export interface SpanRow {
  id: string; parent?: string | null; depth?: number; label?: string | null; phase?: string | null;
  turn?: number; run: string; message?: string; prompt: Record<string, unknown> | null;
  attempt: number; step: number | null;
  kind: "process" | "model" | "tool" | "review" | "compaction" | "timer" | "workflow" | "agent" |
    "turn" | "job" | "flow" | "title";
  name: string;
  state: "queued" | "running" | "waiting" | "succeeded" | "degraded" | "failed" | "cancelled" |
    "timed_out" | "lost" | "denied" | "outcome_unknown";
  cause: string | null; rule: string | null; error: string | null; started_ms: number;
  ended_ms: number | null; due_ms?: number;
  tokens: { fresh: number | null; cache_read: number | null; cache_write: number | null; output:
    number | null; reasoning: number | null } | null;
  cost_micros: number | null; estimated: boolean; tries: number; exit_code: number | null;
  cpu_us: number | null; memory_kb: number | null; disk_bytes: number; input: string | null;
  output: string | null;
}
export interface RunAgent {
  id: string; label: string | null; phase: string | null; model: string | null;
  prompt: string | null; state: string; gate: string | null; resume_at_ms: number | null;
  cause: string | null; note: string | null; cached: boolean; cached_from: string | null;
  done_no: number; output_tokens: number; tokens: number; cost_micros: number | null;
  cost_unknown: number; usage: Record<string, unknown>; started_ms: number | null;
  ended_ms: number | null; key: string | null; session: string | null; turn: string | null;
  attempts: number; calls: number | null; last_ms: number | null; line: number | null;
  column: number | null; file?: string; type: string | null; isolation: string | null;
  waiting: Record<string, unknown> | null; result?: unknown;
}
export interface Limit {
  limit: "run" | "connection" | "commands"; name?: string | null; at_once: number | null;
  most?: number | null; running: number; waiting: number;
}
export interface ScriptFile {
  scripts: { name: string; file: string; hash: string }[]; scripts_more?: boolean; hash: string;
  name: string | null; file: string; form: "body" | "main" | null; source: string;
}
export interface Fault {
  line: number; column: number; code: string; detail: string;
}
export interface Note extends Fault {
  severity: "error" | "warning";
}
export interface Workflow {
  name: string; description: string; when_to_use?: string;
  phases: { title: string; detail?: string; model?: string }[]; args?: unknown; file: string;
  place: string; origin: "project" | "home" | "built-in"; form: "body" | "main" | null;
  shadowed: boolean; checked: boolean; shadowed_by?: string; error?: Fault;
}
export interface FlowRun {
  id: string; state: string; flow: string; file: string; input: unknown;
  resumed_from: string | null; stage: "steps" | "report" | "over"; failed_step: string | null;
  rewinds: number; timeout_ms: number | null; report: string; report_cut?: boolean;
  artifact: { path: string; error: string | null } | null; steps: FlowStep[];
}
export interface FlowStep {
  step_id: string; kind: string; status: string; deps: string[]; trigger_rule: string;
  batch: string | null; branch: { switch: string; label: string | null } | null; phase: string;
  cause: string | null; note: string | null; cached: string | null; tries: number; rounds: number;
  began_ms: number | null; changed_ms: number; run: string | null; session: string | null;
  approval: string | null; prompt: string; prompt_cut?: boolean; result: string;
  result_cut?: boolean;
}
export interface FlowVerdict {
  valid: boolean; error: string | null; flow?: string; file?: string; resumed_from?: string | null;
  steps: { step_id: string; kind: string; status: string; deps: string[]; trigger_rule: string;
    batch: string | null; branch: { switch: string; label: string | null } | null; cached: string |
    null; wave: number }[];
}
export interface Outcome {
  id: string; ok: boolean; status: number; code?: string; detail?: string;
}
export interface LogMatches {
  matches: { line: number; text: string; before: string[]; after: string[] }[]; total: number;
  truncated: boolean; dropped?: { from?: number; to?: number };
}
export interface Usage {
  calls: number; fresh: number; cache_read: number; cache_write: number; output: number;
  reasoning: number; cost_micros: number | null; cost_unknown: number;
}
export interface Session {
  id: string; project: string; title: string; title_by: null | "user" | "auto";
  state: "idle" | "running" | "waiting" | "compacting"; archived: boolean;
  deleted_ms: number | null; last: string | null; model: string | null; agent: string | null;
  root: string | null; worktree: Record<string, unknown> | null; parent: string | null;
  depth: number; forked_from: string | null; fork_of: string | null; version: number;
  made_ms: number; changed_ms: number; usage: Usage; context_used: number; context_window: number;
  metadata: Record<string, unknown>; stream: string; match?: { message?: string; text: string };
}
export interface Rewound {
  id: string | null; state: "preview" | "applied"; conversation: boolean; point: string | null;
  files: { path: string; before?: string | null; after?: string | null; mode_before?: string |
    null; mode_after?: string | null; added?: number; removed?: number; binary?: boolean }[];
  refused: { path: string; why: "changed" | "shared" | "kind"; by: Author[] }[];
}
export interface Tree {
  id: string; name: string; kind: "session" | "task" | "agent"; holder: string; project: string;
  state: "planned" | "ready" | "failed" | "gone"; detail: string | null; branch: string | null;
  base: string | null; begin_at: string | null; path: string; root: string; top: string;
  source: string; setup_run: string | null; ports: string | null; made_ms: number;
  changed_ms: number;
  look: { state: "whole" | "half" | "none" | "strange"; detail: string | null; files: number;
    added: number; removed: number; uncommitted: number; commits: number; bytes: number; newest_ms:
    number } | null;
}
export interface TreeAlone extends Tree {
  setup: string | null; teardown: string | null;
  lost: { files: string[]; commits: { commit: string; subject: string }[] } | null;
}
export interface TreeApplied {
  id: string | null; state: "preview" | "applied"; root: string;
  files: { path: string; before?: string | null; after?: string | null; mode_before?: string |
    null; mode_after?: string | null; added?: number; removed?: number; binary?: boolean }[];
  refused: { path: string; why: "changed" | "shared" | "kind"; by: Author[] }[];
}
export interface TreesPruned {
  preview: boolean; removed: { tree: string; name: string; bytes: number }[];
  kept: { tree: string; name: string; bytes: number; why: string }[];
}
export interface SessionFiles {
  files: string[]; whole: boolean;
}
export interface TimelineTurn {
  number: number; run: string; began_by: "message" | "notice" | "again" | "compact";
  question: string | null; answer: string | null;
  state: "queued" | "running" | "waiting" | "succeeded" | "degraded" | "failed" | "cancelled" |
    "timed_out" | "lost";
  gate: string | null; cause: string | null; note: string | null; model: string | null;
  agent: string | null; queued_ms: number; began_ms: number | null; ended_ms: number | null;
  tools: number; errors: number; usage: Usage; cache_hit_rate: number | null;
  cache_broke: null | "model" | "tools" | "instructions" | "history";
  files: { path: string; added: number; removed: number }[]; files_more?: boolean;
}
export interface Message {
  id: string; role: "user" | "assistant" | "system" | "notice";
  status: "queued" | "running" | "completed" | "interrupted" | "failed" | "rolled_back" |
    "steering" | "joined" | "delivered";
  run: string | null; reply_to: string | null; variant: number; active: boolean;
  client_id: string | null; cause: string | null; error: string | null; made_ms: number;
  changed_ms: number; metadata: Record<string, unknown>; resume_at_ms?: number | null;
  model?: string | null; usage?: Usage; session?: string; match?: { text: string }; parts: Part[];
}
export interface Part {
  number: number; kind: "text" | "thinking" | "tool" | "image" | "error" | "notice" | "steer";
  state?: string; cause?: string | null; name?: string; call?: string | null; run?: string;
  step?: number; ms?: number; text: string; data: Record<string, unknown> | null; cut?: boolean;
  bytes?: number;
}
export interface Changes {
  left_out_count: number;
  world: { id: string; path: string; kind: "git" | "plain"; state: "ready" | "large" | "off";
    detail?: string | null; files?: number; bytes?: number } | null;
  from: { id: string; at_ms: number; phase: string } | null;
  to: { id: string; at_ms: number; phase: string } | null;
  left_out: { path: string; why: string }[]; files: ChangedFile[]; next: string | null;
  totals: { files: number; added: number; removed: number }; recorded?: boolean;
}
export interface ChangedFile {
  path: string; old_path: string | null;
  operation: "create" | "edit" | "delete" | "rename" | "mode"; added: number; removed: number;
  binary: boolean; before: string | null; after: string | null; mode_before: string | null;
  mode_after: string | null; by: Author[]; status: "exact" | "shared" | "unknown";
  viewed: "yes" | "no" | "changed";
}
export interface Author {
  kind: "session" | "run" | "unknown"; session: string | null; run: string | null;
  agent: string | null; name: string;
}
export interface TextRange {
  text: string; offset: number; next: number; bytes: number;
}
export interface Ask {
  id: string; session: string | null; run: string; step: string; message: string | null;
  kind: "leave" | "answer" | "confirm" | "choice" | "form"; tool: string; title: string | null;
  project: string | null; root_run: string | null; agent: string | null; phase: string | null;
  root: string | null; depth: number; shown: string; digest: string; by: string;
  part: number | null; state: "open" | "allowed" | "denied" | "answered" | "cancelled";
  asked_ms: number; answered_ms: number | null;
  arguments: { question?: string; options?: unknown[]; schema?: unknown; multi?: boolean } | null;
  about: { subjects?: string[]; exact?: boolean; rule?: string; old_rule?: string; diff?: string;
    diff_cut?: boolean; review?: string; text?: string } | null;
  answer: string;
}
export interface Task {
  id: string; project: string; name: string; title: string; type: string; priority: number;
  status: "pending" | "claimed" | "working" | "review" | "done" | "failed" | "blocked" |
    "cancelled";
  reason: "api_error_retry" | "interrupted" | "no_status" | "max_retry_count" | "max_attempts" |
    "unexpected_fallback" | "session_stuck" | "revive_failed" | "compact_hanging" |
    "max_monitor_timeouts" | "auth_failed" | "not_started" | "budget" | "stopped" | "plan" |
    "task_already_done" | null;
  because: string | null; detail: string | null; question: string | null; answer: string | null;
  agent: string | null; assignee: string | null; capability: string | null; lane: string | null;
  epic: string | null; depends_on: string[]; must_haves: (string | Record<string, string>)[];
  plan: "none" | "required"; plan_state: "missing" | "waiting" | "approved" | null;
  retry_count: number; attempt_count: number; max_attempts: number; rejections: number;
  depth: number; attempt: string | null; session: string | null; run: string | null;
  reviewer: string | null; review_run: string | null; not_before_ms: number; archived?: boolean;
  made_ms: number; changed_ms: number; completed_ms: number | null; waits: string | null;
  may: Record<string, "detail" | "question" | "reasons" | "answer" | null>;
}
export interface TaskAlone extends Task {
  description: string; source: string | null; links: unknown[];
  worktree: Record<string, unknown> | null;
}
export interface Output {
  id: string; project: string; task: string; attempt: string | null; agent: string;
  type: "code" | "document" | "data" | "config" | "other"; title: string; summary: string;
  bytes: number; hash: string; plan?: boolean; made_ms: number;
}
export interface Comment {
  id: string; project: string; task: string; author: string; made_ms: number; body: string;
}
export interface Project {
  name: string; root: string | null; agent: string | null; model: string | null;
  settings: Record<string, unknown> | null; board: Record<string, unknown> | null; made_ms: number;
  changed_ms: number;
}
export interface Folders {
  path: string | null; parent: string | null; items: { name: string; path: string }[];
  whole: boolean;
}
export interface Agent {
  name: string; kind: "cli" | "native"; found: boolean; version: string | null;
  state: "ready" | "missing" | "broken" | "not_logged_in"; running: number; waiting: number;
  at_once: number | null; cooling_until_ms: number | null; cooling_cause: string | null;
  program: string | null; command: string | null; model: string | null; description: string | null;
  isolation: string | null; from: string; may: string; why: string | null;
}
export interface AgentStart {
  name: string; argv: string[]; env: string[]; prompt: string; input: string;
}
export interface Mail {
  id: string; project: string | null; from: string; to: string; type: "request" | "inform";
  status: "pending" | "working" | "done" | "failed" | "retracted"; cause: string | null;
  in_reply_to: string | null; about: string | null; urgent?: boolean; depth: number;
  session: string | null; from_session: string | null; turn: string | null; attempts: number;
  made_ms: number; changed_ms: number; title: string;
}
export interface Memory {
  id: string; scope: "global" | "project"; project?: string; topic: string; title: string;
  content: string; tags: string[]; day: string; made_ms: number; changed_ms: number;
}
export interface Topic {
  topic: string; count: number;
}
export interface Day {
  day: string; count: number;
}
export interface Delivery {
  id: string; run: string; event: "asked" | "stalled" | "failed" | "ended";
  receiver: "webhook" | "session"; address: string;
  state: "pending" | "stalled" | "bound" | "held" | "acknowledged" | "gone" | "dropped";
  cause: string | null; turn: string | null; failures: number; made_ms: number;
  next_ms: number | null; settled_ms: number | null;
}
export interface Budget {
  scope: string; owner: string | null;
  limits: { output_tokens: number | null; tokens: number | null; cost_micros: number | null;
    agents: number | null; wall_ms: number | null };
  spent: { output_tokens: number; tokens: number; cost_micros: number | null; agents: number;
    wall_ms: number; cost_unknown: number };
  reserved: { output_tokens: number; tokens: number; cost_micros: number; agents: number; wall_ms:
    number };
  waiting: number; per: "day" | null; resets_ms: number | null;
  forecast: { limit: string; at_ms: number } | null; made_ms: number;
}
export interface Connection {
  name: string; kind: "openai" | "responses" | "anthropic" | "scripted"; base_url: string | null;
  key_header: string | null; key_set: boolean; key_from: string | null;
  headers: Record<string, string>; models: string[]; window: number | null;
  max_concurrent: number | null; origin: string; cause: string | null; detail: string | null;
  resume_at_ms: number | null; made_ms: number | null; changed_ms: number | null;
}
export interface Tested {
  name: string; model: string | null; ok: boolean; cause: string | null; detail: string | null;
  status: number | null; first_ms: number | null; latency_ms: number | null; refuses: string[];
}
export interface Model {
  id: string; provider: string; window: number | null;
  window_from: "connection" | "provider" | "prices" | "default" | "learned";
  max_output: number | null; vision: boolean | null; tools: boolean | null;
  price: { fresh?: number | null; cache_read?: number | null; cache_write?: number | null;
    output?: number | null };
  refuses: string[];
}
export interface Settings {
  default_model: string | null; review_model: string | null; title_model: string | null;
  instructions: string | null; effort: "low" | "medium" | "high" | null; window: number | null;
  public_url: string | null; notify_webhook: string | null; notify_command: string[] | null;
  notify_on: ("asked" | "stalled" | "failed" | "ended")[] | null;
  model_aliases: Record<string, string> | null; changed_ms: number | null; model: string | null;
  model_from: "setting" | "option" | "connection" | "none";
}
export interface Version {
  name: string; version: string; database: "sqlite" | "postgres"; epoch: number; held: boolean;
  owner: string; pid: number; started_ms: number; on_demand: string | null; jobs_max: number;
  connections_max: number; scopes: string[]; inside: string | null;
}
export interface Ready {
  status: string; failed_starts?: number; last_runs?: string[]; damaged?: number; missing?: number;
  unknown_folders?: number; abandoned?: number; missing_at_ms?: number; mark_errors?: number;
  pages?: { port: number; taken: boolean };
  descriptors?: { used: number | null; limit: number | null; waiting_since_ms: number | null };
  disk?: { level: "ok" | "warning" | "urgent" | "full"; bytes: number | null; limit: number |
    null; free_bytes: number | null };
}
export interface Hold {
  held: boolean; restored: boolean; failed_starts: number; missing: number; missing_at_ms: number;
  last_runs: string[];
  would_start: { queued: number; running: number; deliveries: number; lost: number; again: number;
    again_runs: Record<string, unknown>[]; runs: Record<string, unknown>[] };
}
export interface Damage {
  table: string; row: string; column: string; what: string; remove: string;
}
export interface Host {
  place: string; name: string; role: "standby" | "leader"; version: string; here: boolean;
  runs: number; made_ms: number; seen_ms: number;
}
export interface LogEnd {
  file: string | null; lines: string[];
}
export interface Backup {
  file: string; bytes: number; made_ms: number;
}
export interface Backups {
  can: boolean; folder: string; last: Backup | null;
}
export interface NamedTerminal {
  id: string; name: string; command: string | null; cwd: string | null; columns: number;
  rows: number; run: string; state: string | null; cause: string | null; exit_code: number | null;
  made_ms: number; changed_ms: number;
}
export interface Token {
  id: string; owner: string; label: string; scopes: ("read" | "run" | "approve" | "admin")[];
  kind: string; origin: string | null; used_ms: number | null; made_ms: number;
}
export interface Me {
  owner: string; scopes: string[];
}
