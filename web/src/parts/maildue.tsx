/** Mail that waits for a person, among what else does. */
import { now } from "../state/clock.ts";
import { mailDue } from "../state/mail.ts";
import { may } from "../state/me.ts";
import { words } from "../words.ts";
import { Brand } from "./brand.tsx";
import { ago } from "./text.ts";
import { visible } from "./visible.ts";

export function MailDue({ selected }: { selected: string | null }) {
  return (
    <>
      {mailDue.value.map(({ id, title, from, from_session: session, project, made_ms }) => {
        const name = visible(title), at = `/inbox/mail/${id}`;
        return (
          <article key={id} class={`row ask${selected === id ? " sel" : ""}`} data-row={id}
            tabIndex={-1} aria-label={`${words.mail}: ${name}`} aria-current={selected === id}>
            <Brand id={session ?? id} />
            <div class="what">
              <span class="clip">
                <span class="tone-wait" aria-hidden="true">◆ </span>
                <a class="name" href={at} dir="auto">{name}</a>
              </span>
              <span class="muted clip">
                {words.mailFrom} <bdi class="mono">{visible(from)}</bdi>
                {project === null ? null : <>{" · "}<bdi>{visible(project)}</bdi></>}
                {" · "}{ago(now.value - made_ms)}
              </span>
            </div>
            {may("approve") ? (
              <div class="acts">
                <a class="button" href={at} aria-label={words.answerMailOf(name)}>
                  {words.answerMail}
                </a>
              </div>
            ) : null}
          </article>
        );
      })}
    </>
  );
}
