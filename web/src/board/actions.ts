/** What is done with tasks: each is moved by a request of its own, and the daemon decides. */
import { post, type Problem } from "../api/api.ts";
import { me } from "../state/me.ts";
import { moveOf, type Status, type Task } from "./rules.ts";

export const ownerName = (): string => me.value?.owner ?? "";

export interface Outcome {
  moved: Task[];
  /** Of those that did not move. */
  refused: { name: string; problem: Problem }[];
}

/** One after the other: what one of them changes, the next one may wait for. */
export async function moveAll(
  tasks: readonly Task[], to: Status | ((task: Task) => Status), said = "",
): Promise<Outcome> {
  const outcome: Outcome = { moved: [], refused: [] };
  for (const task of tasks) {
    const { path, body } = moveOf(task, typeof to === "string" ? to : to(task), said);
    const answer = await post<Task>(path, body);
    if (answer.ok) outcome.moved.push(answer.value);
    else outcome.refused.push({ name: task.name, problem: answer.problem });
  }
  return outcome;
}
