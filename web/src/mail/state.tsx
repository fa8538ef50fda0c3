/** The state of a mail, and the task that it is about. */
import { State } from "../parts/state.tsx";
import { visible } from "../parts/visible.ts";
import { isClosed, stateOf, taskOf, type Mail, type MailState } from "./rules.ts";
import { words } from "./words.ts";

/** The state of a run that has the same shape and colour. */
const SHAPES: Record<MailState, string> = {
  waits: "waiting", unread: "queued", reading: "running", read: "succeeded",
  answered: "succeeded", arrived: "succeeded", failed: "failed", retracted: "cancelled",
};

export function MailStateOf({ mail, mails }: { mail: Mail; mails: readonly Mail[] }) {
  const state = stateOf(mail, mails);
  return <State state={SHAPES[state]} word={words.states[state]} />;
}

/** `link`: to its board. */
export function About({ mail, tasks, link }: {
  mail: Mail; tasks: ReadonlyMap<string, string>; link: boolean;
}) {
  if (mail.about === null) return null;
  const task = taskOf(mail), status = tasks.get(task ?? ""), name = visible(mail.about);
  return (
    <span class="mail-about">
      {link && task !== null && status !== undefined
        ? <a class="mono" href={`/board/${task}`}>{name}</a>
        : <bdi class="mono">{name}</bdi>}
      {isClosed(status)
        ? <span class="tone-wait">{" "}{link ? words.closedAs(status ?? "") : words.closed}</span>
        : null}
    </span>
  );
}
