/** What is done with tasks: each is moved by a request of its own, and the daemon decides. */
import { get, post, type Answer, type Problem } from "../api/api.ts";
import type { Task } from "../api/types.ts";
import { yesTo } from "../parts/reading.ts";
import { isJudged, judgedText, moveOf, pathOf, type Status, type WholeTask } from "./rules.ts";
import { words } from "./words.ts";

export interface Outcome {
  moved: Task[];
  /** Of those that did not move. */
  refused: { name: string; problem: Problem }[];
}

/** A result that was not in view is not accepted: the task is opened, and shows it. */
const UNREAD: Problem = { status: 0, code: "unread", title: words.notRead, detail: words.unread };
export const isUnread = ({ refused }: Outcome): boolean =>
  refused.some(({ problem }) => problem === UNREAD);

/** On a board a task is known without its outputs. */
async function wholeOf(task: Task | WholeTask): Promise<Answer<WholeTask>> {
  return "outputs" in task ? { ok: true, value: task }
    : get<WholeTask>(`${pathOf(task)}?expand=all`);
}

/** Why a yes to the result does not count. */
async function unreadOf(task: Task): Promise<Problem | null> {
  const whole = await wholeOf(task);
  return !whole.ok ? whole.problem : yesTo(judgedText(whole.value)) ? null : UNREAD;
}

/** One after the other: what one of them changes, the next one may wait for. */
export async function moveAll(
  tasks: readonly Task[], to: Status | ((task: Task) => Status), said = "",
): Promise<Outcome> {
  const outcome: Outcome = { moved: [], refused: [] };
  for (const task of tasks) {
    const status = typeof to === "string" ? to : to(task);
    const unread = isJudged(task) && status === "done" ? await unreadOf(task) : null;
    if (unread !== null) {
      outcome.refused.push({ name: task.name, problem: unread });
      continue;
    }
    const { path, body } = moveOf(task, status, said);
    const answer = await post<Task>(path, body);
    if (answer.ok) outcome.moved.push(answer.value);
    else outcome.refused.push({ name: task.name, problem: answer.problem });
  }
  return outcome;
}
