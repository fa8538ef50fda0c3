/** Tasks and their board: columns and their order, the moves of a person. Pure. */
import type {
  Comment as CommentRow, Output as OutputRow, Task, TaskAlone,
} from "../api/types.ts";
import { factsOf, linesOf } from "./fields.ts";

export type Status = Task["status"];
export type MustHave = Task["must_haves"][number];

/** Where a task is shown with all, texts are cut. */
export interface Output extends OutputRow { content?: string; cut?: true }
export interface Comment extends CommentRow { cut?: true }
export interface Attempt {
  id: string; attempt_number: number; agent: string; session: string | null; run: string | null;
  outcome: string | null; exit_code: number | null; note: string | null; made_ms: number;
  ended_ms: number | null; checking_ms: number | null;
}
export interface Review {
  id: string; reviewer: string; accept: boolean; reasons: string[]; made_ms: number;
}
export interface Happened {
  agent: string | null; type: string; made_ms: number; detail: Record<string, unknown>;
}
/** As `?expand=all` has it: the newest of each, newest first. */
export interface WholeTask extends TaskAlone {
  outputs: Output[]; comments: Comment[];
  attempts: Attempt[]; reviews: Review[]; events: Happened[];
}

/** --- Columns --- */

export const COLUMNS = ["pending", "working", "review", "blocked", "done", "ended"] as const;
export type Column = (typeof COLUMNS)[number];
/** This one is folded at first. */
export const FOLDED: Column = "ended";

export const isHeld = ({ status }: Task): boolean => status === "claimed" || status === "working";

export const columnOf = ({ status }: Task): Column => (status === "claimed" ? "working"
  : status === "failed" || status === "cancelled" ? "ended" : status);

export const isColumn = (name: string | null): name is Column =>
  (COLUMNS as readonly string[]).includes(name ?? "");

const placeOf = ({ name }: Task): number => Number(name.slice(2));

/** As the dispatcher takes them: what is urgent, then what is old; of what is over the newest. */
function inOrder(a: Task, b: Task): number {
  if (a.completed_ms !== null && b.completed_ms !== null) {
    return b.completed_ms - a.completed_ms || placeOf(b) - placeOf(a);
  }
  return b.priority - a.priority || placeOf(a) - placeOf(b);
}

export interface BoardFilter { q: string; archived: boolean }

export const filterOf = (query: URLSearchParams): BoardFilter =>
  ({ q: query.get("q")?.trim() ?? "", archived: query.get("archived") === "1" });

/** Whether each word of the filter is in one of the texts of a card. */
export function fits(task: Task, q: string): boolean {
  if (q === "") return true;
  const { name, title, type, agent } = task;
  const text = [name, title, type, agent, ...factsOf(task).map(([, fact]) => fact)].join("\n");
  const lower = text.toLowerCase();
  return q.toLowerCase().split(/\s+/).every((word) => lower.includes(word));
}

export function columnsOf(tasks: Iterable<Task>, q: string): Record<Column, Task[]> {
  const columns: Record<Column, Task[]> =
    { pending: [], working: [], review: [], blocked: [], done: [], ended: [] };
  for (const task of tasks) if (fits(task, q)) columns[columnOf(task)].push(task);
  for (const name of COLUMNS) columns[name].sort(inOrder);
  return columns;
}

/** Where an arrow leads: a row of the same column, or of the next one that has any. */
export function neighbour(
  columns: readonly (readonly { id: string }[])[], id: string | null,
  [right, down]: [number, number],
): string | null {
  const column = columns.findIndex((tasks) => tasks.some((task) => task.id === id));
  if (column < 0) return columns.find((tasks) => tasks.length > 0)?.[0]?.id ?? null;
  const rows = columns[column] ?? [], row = rows.findIndex((task) => task.id === id);
  if (right === 0) return rows[Math.max(0, Math.min(rows.length - 1, row + down))]?.id ?? id;
  for (let to = column + right; to >= 0 && to < columns.length; to += right) {
    const tasks = columns[to] ?? [];
    if (tasks.length > 0) return tasks[Math.min(row, tasks.length - 1)]?.id ?? id;
  }
  return id;
}

/** --- Moves of a person --- */

/** What is said along with a move. An answer may be left out. */
export type Words = NonNullable<Task["may"][string]>;
export interface Edge { to: Status; words: Words | null }

/** Offered after all others. */
const LAST: readonly Status[] = ["pending", "cancelled"];

/** As the daemon says: what a person may do with it now. */
export const edgesOf = ({ may }: Task): Edge[] => (Object.keys(may) as Status[])
  .map((to) => ({ to, words: may[to] ?? null }))
  .sort((a, b) => LAST.indexOf(a.to) - LAST.indexOf(b.to));

export const edgeOf = (task: Task, to: Status): Edge | null =>
  edgesOf(task).find((edge) => edge.to === to) ?? null;

/** The status that a task gets in a column. */
export const statusIn = (column: Column, { status }: Task): Status => (column === "ended"
  ? "cancelled" : column === "working" && status !== "claimed" ? "claimed" : column);

export const mayDrop = (tasks: readonly Task[], column: Column): boolean =>
  tasks.every((task) => columnOf(task) === column ||
    edgeOf(task, statusIn(column, task)) !== null);

/** Whether a form comes first: something is to be said, or somebody's work ends. */
export const asksFirst = (task: Task, to: Status): boolean =>
  (edgeOf(task, to)?.words ?? null) !== null || (to === "cancelled" && isHeld(task));

/** The statuses that one of the tasks can get, and what must be said then. */
export function choicesOf(tasks: readonly Task[]): Edge[] {
  const found = new Map<Status, Edge>();
  for (const edge of tasks.flatMap(edgesOf)) {
    const known = found.get(edge.to);
    if (known === undefined || known.words === null || edge.words === "reasons") {
      found.set(edge.to, edge);
    }
  }
  return [...found.values()];
}

export const pathOf = ({ project, name }: Pick<Task, "project" | "name">): string =>
  `/projects/${encodeURIComponent(project)}/tasks/${name}`;

/** Whether a person accepts or rejects it now: its result, or its plan. */
export const isJudged = ({ status, reason }: Task): boolean =>
  status === "review" || (status === "blocked" && reason === "plan");

/** What a person judges: the outputs of the attempt, which stand open. An attempt that wrote a plan
 *  has ended: then it is the newest that has outputs. */
export function judgedOf(task: WholeTask): readonly Output[] {
  if (!isJudged(task)) return [];
  const { attempt = null } = task.outputs.find((one) => one.attempt !== null) ?? {};
  const own = task.outputs.filter((one) => one.attempt === (task.attempt ?? attempt));
  return own.length > 0 ? own : task.outputs;
}

/** The name of what is judged (`parts/reading.ts`): with another output it is another text. */
export const judgedText = (task: WholeTask): string =>
  [task.id, ...judgedOf(task).map(({ id }) => id)].join(" ");

/** The request that moves a task. */
export function moveOf(task: Task, to: Status, said: string): { path: string; body: unknown } {
  const path = pathOf(task), words = edgeOf(task, to)?.words ?? null;
  if (to === "claimed") return { path: `${path}/claim`, body: {} };
  if (isJudged(task) && (to === "done" || to === "pending")) {
    const { attempt, status } = task;
    return { path: `${path}/review`, body: { attempt, status, accept: to === "done",
      ...(to === "pending" && { reasons: linesOf(said) }) } };
  }
  return { path: `${path}/status`,
    body: { status: to, ...(words !== null && said !== "" && { [words]: said }) } };
}

/** --- What a card says --- */

/** Those it waits for, as far as the board knows. */
export const unmetOf = (task: Task, known: ReadonlyMap<string, Task>): string[] =>
  task.depends_on.filter((name) => (known.get(name)?.status ?? "done") !== "done");

/** How many of three bars. */
export const barsOf = (priority: number): number => Math.ceil(priority / 3);

/** Why it waits, without the command that helps: that stands in the task. */
export const sentenceOf = (waits: string): string => waits.split(": '")[0] ?? waits;

export function ageText(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) return "now";
  if (minutes < 60) return `${minutes} min`;
  return minutes < 48 * 60 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1440)} d`;
}

/** What can be told from the outputs; null: its reviewer looks, or the daemon does. */
export function isMet(one: MustHave, outputs: readonly Output[]): boolean | null {
  if (typeof one === "string") return null;
  if (one.output !== undefined) return outputs.some(({ type }) => type === one.output);
  const { text } = one;
  if (text === undefined) return null;
  if (outputs.some(({ content }) => content?.includes(text))) return true;
  return outputs.some(({ cut }) => cut) ? null : false;
}

