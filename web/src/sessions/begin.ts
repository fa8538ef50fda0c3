/** A new session with its first message. */
import { post, type Answer } from "../api/api.ts";

export interface Beginning {
  title?: string; root?: string; project?: string; model?: string; agent?: string;
  worktree?: true | { base: "now" };
}

/** The answer has the session's id. */
export async function sessionBegin(
  what: Beginning, first: string,
): Promise<Answer<{ id: string }>> {
  const answer = await post<{ id: string }>("/sessions", what);
  if (answer.ok && first !== "") {
    // It is kept until it is sent, also when the connection ends here.
    const { outboxOf } = await import("../session/outbox.ts"), outbox = outboxOf(answer.value.id);
    outbox.send({ text: first, attachments: [], policy: "enqueue" });
    outbox.end();
  }
  return answer;
}
