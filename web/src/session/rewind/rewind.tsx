/** Before a session takes back what it did: what becomes of each file is said, and what others have
 *  changed is taken only where somebody says so. */
import { useEffect, useRef, useState } from "preact/hooks";

import { post, type Problem } from "../../api/api.ts";
import type { Rewound } from "../../api/types.ts";
import { Plan } from "../../changes/plan/plan.tsx";
import { Dialog, dialogEnd, Ends } from "../../parts/dialog.tsx";
import { Trouble } from "../../parts/trouble.tsx";
import { visible } from "../../parts/visible.ts";
import type { Message } from "../../state/message.ts";
import { plain } from "../text.ts";
import { words } from "./words.ts";

interface RewindProps {
  session: string;
  message: Message;
  onClose(): void;
  /** `text`: of the message, where the conversation went back, too. */
  done(said: string, text: string): void;
}

/** A daemon without git takes back conversations alone. */
const isWithoutFiles = (problem: Problem | null): boolean => problem?.code === "not_implemented";

export function Rewind({ session, message, onClose, done }: RewindProps) {
  const [plan, planSet] = useState<Rewound | null>(null);
  const [problem, problemSet] = useState<Problem | null>(null);
  const [forced, forcedSet] = useState<string[]>([]);
  const [conversation, conversationSet] = useState(true);
  const [busy, busySet] = useState(false);
  const here = useRef(true); // It was not closed meanwhile.
  useEffect(() => () => void (here.current = false), []);
  const path = `/sessions/${session}/rewind`, to = message.id;
  const read = async (): Promise<void> => {
    const answer = await post<Rewound>(path, { to, files: true, preview: true });
    if (!here.current) return;
    planSet(answer.ok ? answer.value : null);
    if (!answer.ok) problemSet(answer.problem);
  };
  const again = (): void => {
    problemSet(null);
    void read();
  };
  useEffect(() => void read(), []);
  const refused = (plan?.refused ?? []).map((one) => one.path);
  const force = forced.filter((one) => refused.includes(one));
  const withFiles = plan !== null && plan.files.length + force.length > 0;
  const files = withFiles ? plan.files.length + force.length : 0;
  const isReady = plan === null ? isWithoutFiles(problem) : force.length === refused.length;
  const isSome = files > 0 || conversation;
  const take = async (button: Element): Promise<void> => {
    busySet(true);
    const body = { to, files: plan !== null, conversation, force };
    const answer = await post<Rewound>(path, body);
    if (!here.current) return;
    busySet(false);
    problemSet(answer.ok ? null : answer.problem);
    if (!answer.ok) return void read(); // What was shown may be of before.
    dialogEnd(button);
    done(words.done(answer.value.files.length, answer.value.conversation),
      answer.value.conversation ? plain(message) : "");
  };
  return (
    <Dialog label={words.title} name="sheet-form" onClose={onClose}>
      <form onSubmit={(event) => event.preventDefault()}>
        <h2>{words.title}</h2>
        <blockquote class="clip" dir="auto">{visible(plain(message)).slice(0, 200)}</blockquote>
        {plan !== null ? (
          <Plan plan={plan} words={words} forced={forced} force={(one, on) =>
            forcedSet((all) => (on ? [...all, one] : all.filter((other) => other !== one)))} />
        ) : problem === null ? <p class="muted" role="status">{words.reading}</p> : null}
        <label class="check">
          <input type="checkbox" checked={conversation}
            onChange={(event) => conversationSet(event.currentTarget.checked)} />
          <span>
            {words.conversation}{" "}
            <span class="muted small">{words.conversationAbout}</span>
          </span>
        </label>
        <Trouble problem={problem} retry={again} />
        <Ends cancel={words.cancel}>
          <button type="button" class="main" disabled={!isReady || !isSome || busy}
            onClick={(event) => void take(event.currentTarget)}>
            {words.take(files, conversation)}
          </button>
        </Ends>
      </form>
    </Dialog>
  );
}
