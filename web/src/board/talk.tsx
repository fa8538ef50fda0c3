/** Comments of a task, the newest at the end, and where one is written. */
import type { RefObject } from "preact";
import { useState } from "preact/hooks";

import { post, type Problem } from "../api/api.ts";
import { Markdown } from "../markdown/index.ts";
import { when } from "../parts/text.ts";
import { Trouble } from "../parts/trouble.tsx";
import { visible } from "../parts/visible.ts";
import { now } from "../state/clock.ts";
import { draftKeep, draftOf } from "../state/draft.ts";
import { Heading, Part } from "./records.tsx";
import { pathOf, type WholeTask } from "./rules.ts";
import { words } from "./words.ts";

const LINES = 3;

/** A text that is written here, kept until it was sent. */
export function Write({ of, label, about, send, field, submit, empty = false }: {
  /** What the draft is of. */
  of: string; label: string; about: string; send: string;
  field?: RefObject<HTMLTextAreaElement>;
  submit(text: string): Promise<Problem | null>;
  /** Whether it may be sent without a text. */
  empty?: boolean;
}) {
  const [text, textSet] = useState(() => draftOf(of));
  const [problem, problemSet] = useState<Problem | null>(null), [busy, busySet] = useState(false);
  const typed = (value: string): void => {
    draftKeep(of, value, text);
    textSet(value);
  };
  const sent = async (event?: Event): Promise<void> => {
    event?.preventDefault();
    if (busy || (!empty && text.trim() === "")) return;
    busySet(true);
    const refused = await submit(text.trim());
    busySet(false);
    problemSet(refused);
    if (refused === null) typed("");
  };
  return (
    <form class="task-write" onSubmit={(event) => void sent(event)}>
      <label>
        <span class="hidden">{label}</span>
        <textarea ref={field} rows={LINES} dir="auto" value={text} placeholder={about}
          onInput={({ currentTarget }) => typed(currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void sent(event);
          }} />
      </label>
      <button disabled={busy || (!empty && text.trim() === "")}>{send}</button>
      <Trouble problem={problem} />
    </form>
  );
}

export function Talk({ task, may, field }: {
  task: WholeTask; may: boolean; field: RefObject<HTMLTextAreaElement>;
}) {
  const say = async (body: string): Promise<Problem | null> => {
    const answer = await post(`${pathOf(task)}/comments`, { body });
    return answer.ok ? null : answer.problem;
  };
  return (
    <Part title={words.talk} count={task.comments.length}>
      {[...task.comments].reverse().map(({ id, author, body, made_ms, cut }) => (
        <article key={id} class="task-comment" aria-label={words.by(visible(author))}>
          <p><b><bdi>{visible(author)}</bdi></b>{" "}
            <span class="muted">{when(made_ms, now.value)}{cut ? ` · ${words.cut}` : ""}</span></p>
          <Markdown text={body} done />
        </article>
      ))}
      {may ? (
        <Write of={`${task.id} comment`} label={words.comment} about={words.commentAbout}
          send={words.send} field={field} submit={say} />
      ) : null}
    </Part>
  );
}

/** The question of a blocked task; its answer opens the task again. */
export function Question({ task, may }: { task: WholeTask; may: boolean }) {
  const answer = async (text: string): Promise<Problem | null> => {
    const said = await post(`${pathOf(task)}/status`, { status: "pending", answer: text });
    return said.ok ? null : said.problem;
  };
  return (
    <section class="task-part task-question">
      <Heading tone="tone-wait">◆ {words.question}</Heading>
      <Markdown text={task.question ?? ""} done />
      {may ? (
        <Write of={`${task.id} answer`} label={words.answer} about={words.answerAbout} empty
          send={words.sendAnswer} submit={answer} />
      ) : null}
    </section>
  );
}
