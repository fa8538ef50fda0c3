/** One thread: its mail in order, and an answer. */
import type { RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { get, post, type Problem } from "../api/api.ts";
import { Markdown } from "../markdown/index.ts";
import { Loading } from "../parts/loading.tsx";
import { Sure } from "../parts/sure.tsx";
import { when } from "../parts/text.ts";
import { Trouble } from "../parts/trouble.tsx";
import { visible } from "../parts/visible.ts";
import { Write } from "../parts/write.tsx";
import { useSeat } from "../router/router.ts";
import { Hint } from "../shell/kbd.tsx";
import { useKeys } from "../shell/keys.ts";
import { now } from "../state/clock.ts";
import { may, me } from "../state/me.ts";
import { MailForm } from "./form.tsx";
import { useTasks, useText, useThread } from "./reading.ts";
import {
  answeredBy, answerOf, isByDrover, isOwn, isUnread, lastOf, threadOf, type Mail, type Thread,
} from "./rules.ts";
import { About, MailStateOf } from "./state.tsx";
import { words } from "./words.ts";

/** The newest of a long thread are drawn at first. */
const DRAWN = 20;

/** Who, with the session where there is one. */
function Who({ name, session }: { name: string; session: string | null }) {
  return session === null ? <bdi class="mono">{visible(name)}</bdi>
    : <a class="mono" href={`/s/${session}`}><bdi>{visible(name)}</bdi></a>;
}

function Text({ mail }: { mail: Mail }) {
  const { text, problem, again } = useText(mail);
  if (text !== null) return <Markdown text={text} done />;
  return problem === null ? <Loading /> : <Trouble problem={problem} retry={again} />;
}

/** The title says nothing that the thread's does not say. */
const isSame = (title: string, of: string): boolean => title === of || title === `Re: ${of}`;

interface CardProps {
  mail: Mail; titled: string; mails: readonly Mail[]; tasks: ReadonlyMap<string, string>;
  reply: (() => void) | null; replace(): void;
}

function Card({ mail, titled, mails, tasks, reply, replace }: CardProps) {
  const [problem, problemSet] = useState<Problem | null>(null);
  const { from, to, title, session, from_session: by, project, type, attempts, cause } = mail;
  const unread = may("approve") && isUnread(mail, me.value?.owner ?? ""), name = visible(title);
  const retract = async (): Promise<void> => {
    const answer = await post<Mail>(`/mail/${mail.id}/retract`, {});
    problemSet(answer.ok ? null : answer.problem);
  };
  const facts = [words[type], attempts > 1 ? words.attempt(attempts) : null];
  return (
    <article class="mail-card" aria-label={`${visible(from)}: ${name}`} data-mail={mail.id}>
      <p class="mail-top">
        <Who name={from} session={by} /> {words.to} <Who name={to} session={session} />
        {project === null ? null : <bdi class="muted">{visible(project)}</bdi>}
        {mail.urgent ? <span class="tone-wait">! {words.urgent}</span> : null}
        <span class="muted end">{when(mail.made_ms, now.value)}</span>
      </p>
      {isSame(title, titled) ? null : <h3 dir="auto">{name}</h3>}
      <p class="mail-facts">
        <MailStateOf mail={mail} mails={mails} />
        {facts.map((fact) => (fact === null ? null
          : <span key={fact} class="muted">{fact}</span>))}
        <About mail={mail} tasks={tasks} link />
      </p>
      {cause === null ? null : <p class="tone-fail" dir="auto">{visible(cause)}</p>}
      <Text mail={mail} />
      {reply === null && !unread ? null : (
        <p class="acts">
          {reply === null ? null : (
            <button class="quiet" aria-label={words.replyOf(name)} onClick={reply}>
              {words.reply}
            </button>
          )}
          {unread ? (
            <>
              <button class="quiet" aria-label={words.replaceOf(name)} onClick={replace}>
                {words.replace}<Hint of="replaceMail" />
              </button>
              <span data-retract>
                <Sure name={words.retract} label={words.retractOf(name)} sure={words.retractSure}
                  onSure={() => void retract()} />
              </span>
            </>
          ) : null}
        </p>
      )}
      <Trouble problem={problem} />
    </article>
  );
}

function Reply({ mail, owner, field }: {
  mail: Mail; owner: string; field: RefObject<HTMLTextAreaElement>;
}) {
  const isAdded = isOwn(mail, owner);
  const who = visible(isAdded ? mail.to : mail.from);
  const send = async (text: string): Promise<Problem | null> => {
    const answer = await post<Mail>("/mail", answerOf(mail, owner, text));
    return answer.ok ? null : answer.problem;
  };
  const label = isAdded ? words.addTo(who) : words.replyTo(who);
  return (
    <div class="mail-reply">
      <p dir="auto">
        <b>{label}</b> <span class="muted">{visible(mail.title)}</span><Hint of="replyMail" />
      </p>
      <Write key={mail.id} of={`mail ${mail.id}`} label={label} about={words.replyAbout}
        send={words.send} field={field} submit={send} />
    </div>
  );
}

/** `talk`: the field of the answer gets the focus at first. */
export function ThreadView({ id, known, talk, search }: {
  id: string; known: Thread | undefined; talk: boolean; search: string;
}) {
  const seat = useSeat(), owner = me.value?.owner ?? "";
  const { thread, again } = useThread(id, known?.mails ?? []);
  const { mails, ready, more, problem } = thread.value;
  const whole = threadOf(mails), tasks = useTasks(mails);
  const [all, allSet] = useState(false), [chosen, chosenSet] = useState<string | null>(null);
  const [old, oldSet] = useState<Mail | null>(null);
  const [refused, refusedSet] = useState<Problem | null>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  const target = whole.mails.find((mail) => mail.id === chosen) ?? answeredBy(whole, owner);
  const own = lastOf(whole.mails, (mail) => isUnread(mail, owner));
  const toField = (): void => {
    field.current?.focus();
    field.current?.scrollIntoView({ block: "nearest" });
  };
  useEffect(() => void (talk && ready && toField()), [talk, ready]);
  const replace = async (mail: Mail): Promise<void> => {
    const answer = await get<Mail>(`/mail/${mail.id}`); // With its text.
    refusedSet(answer.ok ? null : answer.problem);
    if (answer.ok) oldSet(answer.value);
  };
  const reply = (mail: Mail) => () => {
    chosenSet(mail.id);
    queueMicrotask(toField);
  };
  useKeys(may("approve") ? [
    { name: "replyMail", run: toField },
    { name: "replaceMail", run: () => own !== undefined && void replace(own) },
    { name: "retractMail", run: () => seat.box
      ?.querySelector<HTMLElement>(`[data-mail="${own?.id}"] [data-retract] button`)?.click() },
  ] : []);
  const isOther = (mail: Mail): boolean => may("approve") && mail.id !== target?.id &&
    !isOwn(mail, owner) && !isByDrover(mail);
  const hidden = all ? 0 : Math.max(0, whole.mails.length - DRAWN);
  return (
    <div class="detail mail-thread">
      <div class="detail-head">
        <a class="button quiet" href={`/inbox/mail${search}`}>{words.back}</a>
      </div>
      <h2 class="ask-title" dir="auto">
        {visible(whole.title) || (problem === null ? "" : words.noThread)}
      </h2>
      {mails.length === 0 && problem === null ? <Loading /> : null}
      {more ? <p class="none">{words.some(mails.length)}</p> : null}
      {hidden === 0 ? null : (
        <p><button class="quiet" onClick={() => allSet(true)}>{words.earlier(hidden)}</button></p>
      )}
      {whole.mails.slice(hidden).map((mail) => (
        <Card key={mail.id} mail={mail} titled={whole.title} mails={mails} tasks={tasks}
          replace={() => void replace(mail)} reply={isOther(mail) ? reply(mail) : null} />
      ))}
      <Trouble problem={refused ?? problem} retry={refused === null ? again : undefined} />
      {may("approve") && ready && target !== null
        ? <Reply mail={target} owner={owner} field={field} /> : null}
      {old === null ? null : (
        <MailForm old={old} project={null} close={() => oldSet(null)}
          done={(mail) => seat.go(`/inbox/mail/${mail.id}${search}`)} />
      )}
    </div>
  );
}
