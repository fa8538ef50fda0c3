/** Before a session takes back what it did: what becomes of each file is said, and what others have
 *  changed is taken only where somebody says so. */
import { useEffect, useRef, useState } from "preact/hooks";

import { post, type Problem } from "../../api/api.ts";
import type { Rewound } from "../../api/types.ts";
import { Dialog, dialogEnd, Ends } from "../../parts/dialog.tsx";
import { count } from "../../parts/text.ts";
import { Trouble } from "../../parts/trouble.tsx";
import { visible } from "../../parts/visible.ts";
import type { Message } from "../../state/message.ts";
import { plain } from "../text.ts";
import { words } from "./words.ts";

type File = Rewound["files"][number];
type Refused = Rewound["refused"][number];

function fateOf({ before, after }: File): keyof typeof words.fates {
  if (before == null) return "restored";
  if (after == null) return "removed";
  return before === after ? "mode" : "changed";
}

function FileRow({ file }: { file: File }) {
  const { path, mode_before: before, mode_after: after, added = 0, removed = 0, binary } = file;
  const isModeOther = before != null && after != null && before !== after;
  return (
    <li>
      <span class="muted small">{words.fates[fateOf(file)]}</span>{" "}
      <bdi class="mono">{visible(path)}</bdi>{" "}
      <span class="num small">
        {binary ? words.binary : added + removed === 0 ? null : (
          <>
            <span class="tone-ok">+{count(added)}</span>{" "}
            <span class="tone-fail">−{count(removed)}</span>
          </>
        )}
        {isModeOther ? ` ${words.mode(before, after)}` : null}
      </span>
    </li>
  );
}

const sayOf = ({ why, by }: Refused): string => {
  const names = by.map(({ name, run }) => visible(name || (run ?? ""))).join(", ");
  return why === "shared" ? words.maybeBy(names) : words.changedBy(names);
};

interface PlanProps { plan: Rewound; forced: string[]; force(path: string, on: boolean): void }

function Plan({ plan: { files, refused }, forced, force }: PlanProps) {
  if (files.length + refused.length === 0) return <p class="muted">{words.noFiles}</p>;
  return (
    <div class="rewind-files" tabIndex={0} role="group" aria-label={words.files}>
      {refused.length === 0 ? null : (
        <fieldset>
          <legend>{words.refused}</legend>
          <p class="muted small">{words.refusedAbout}</p>
          {refused.map((one) => (
            <label key={one.path} class="check">
              <input type="checkbox" checked={forced.includes(one.path)}
                onChange={(event) => force(one.path, event.currentTarget.checked)} />
              <span>
                <bdi class="mono">{visible(one.path)}</bdi>{" "}
                <span class="muted small" dir="auto">{sayOf(one)}</span>
              </span>
            </label>
          ))}
        </fieldset>
      )}
      <ul>{files.map((file) => <FileRow key={file.path} file={file} />)}</ul>
    </div>
  );
}

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
          <Plan plan={plan} forced={forced} force={(one, on) =>
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
