/** Comments of a task, the newest at the end, and where one is written. */
import type { RefObject } from "preact";

import { post, type Problem } from "../api/api.ts";
import { Markdown } from "../markdown/index.ts";
import { when } from "../parts/text.ts";
import { visible } from "../parts/visible.ts";
import { Write } from "../parts/write.tsx";
import { now } from "../state/clock.ts";
import { Heading, Part } from "./records.tsx";
import { pathOf, type WholeTask } from "./rules.ts";
import { words } from "./words.ts";

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
