/** What can be done from a turn. */
import { post, type Problem } from "../../api/api.ts";
import type { Seat } from "../../router/router.ts";
import { words } from "./words.ts";

export interface Outcome { problem: Problem | null; said?: string; to?: string }

/** A new session with all up to the message; the page goes there. */
export async function forkAt(
  { go }: Seat, session: string, message: string): Promise<Outcome> {
  const answer = await post<{ id: string }>(`/sessions/${session}/fork`, { message });
  if (!answer.ok) return answer;
  go(`/s/${answer.value.id}`);
  return { problem: null };
}

/** The question is asked again; what followed it moves to a fork. */
export async function rewindTo(question: string): Promise<Outcome> {
  const answer = await post<{ fork: string | null }>(`/messages/${question}/resend`, {});
  if (!answer.ok) return answer;
  const { fork } = answer.value;
  if (fork === null) return { problem: null, said: words.askedAgain };
  return { problem: null, said: words.rewound, to: `/s/${fork}` };
}

/** With that a parent hears of a subagent's new answer. Turns of other sessions are no runs to
 *  retry: their answer is asked again. */
export async function askAgain(run: string, message: string): Promise<Outcome> {
  const retried = await post(`/runs/${run}/retry`, {});
  if (retried.ok) return { problem: null, said: words.askedAgain };
  if (retried.problem.code !== "conflict") return retried;
  const answer = await post(`/messages/${message}/regenerate`, {});
  return answer.ok ? { problem: null, said: words.askedAgain } : answer;
}
