/** Mail, in the Inbox: threads, what waits for the person first, then the newest. The address has
 *  the search, and a mail of the thread that is open. */
import { useEffect, useState } from "preact/hooks";

import { Kinds } from "../inbox/kinds.tsx";
import { Loading } from "../parts/loading.tsx";
import { Search } from "../parts/search.tsx";
import { useSelection } from "../parts/select.ts";
import { when } from "../parts/text.ts";
import { Trouble } from "../parts/trouble.tsx";
import { visible } from "../parts/visible.ts";
import type { Params } from "../router/routes.ts";
import { useNamed, useSeat } from "../router/router.ts";
import { Hint } from "../shell/kbd.tsx";
import { useKeys } from "../shell/keys.ts";
import { now } from "../state/clock.ts";
import { may } from "../state/me.ts";
import { MailForm } from "./form.tsx";
import { useMails, useTasks } from "./reading.ts";
import { lastOf, spoken, threadsOf, type Thread } from "./rules.ts";
import { About, MailStateOf } from "./state.tsx";
import { ThreadView } from "./thread.tsx";
import { words } from "./words.ts";

function Row({ thread, selected, open, tasks, search }: {
  thread: Thread; selected: boolean; open: boolean; tasks: ReadonlyMap<string, string>;
  search: string;
}) {
  const { id, title, mails, waits, made_ms } = thread, mail = spoken(thread);
  if (mail === undefined) return null;
  const about = lastOf(mails, (one) => one.about !== null), name = visible(title);
  return (
    <article class={`row mail-row${selected ? " sel" : ""}${waits ? " waits" : ""}`} data-row={id}
      tabIndex={-1} aria-label={name} aria-current={selected}>
      <span class="what">
        <a class="clip name" href={`/inbox/mail/${id}${search}`} dir="auto"
          aria-current={open ? "true" : undefined}>{name}</a>
        <span class="muted clip small">
          <bdi class="mono">{visible(mail.from)}</bdi> {words.to}{" "}
          <bdi class="mono">{visible(mail.to)}</bdi>
          {mail.project === null ? null : <>{" · "}<bdi>{visible(mail.project)}</bdi></>}
          {mails.length === 1 ? null : ` · ${words.mails(mails.length)}`}
        </span>
      </span>
      <span class="mail-how">
        <MailStateOf mail={mail} mails={mails} />
        <span class="clip small">
          {mail.urgent ? <span class="tone-wait">! {words.urgent} </span> : null}
          {about === undefined ? null : <About mail={about} tasks={tasks} link={false} />}
        </span>
      </span>
      <span class="muted num">{when(made_ms, now.value)}</span>
    </article>
  );
}

function Empty({ filtered }: { filtered: boolean }) {
  const { replace } = useSeat();
  return (
    <div class="empty">
      <p>{filtered ? words.noneFits : words.empty}</p>
      {filtered ? <p><button onClick={() => replace("/inbox/mail")}>{words.clear}</button></p> : (
        <><p class="muted">{words.emptyAbout}</p><pre>{words.emptyCommand}</pre></>
      )}
    </div>
  );
}

interface ListProps {
  q: string; threads: readonly Thread[]; open: string | undefined;
  list: ReturnType<typeof useMails>; add(): void; talk(): void;
}

function List({ q, threads, open, list, add, talk }: ListProps) {
  const { go, replace, search } = useSeat(), named = useNamed();
  const { items, next, ready, problem } = list.rows.value;
  const tasks = useTasks(items);
  const here = threads.find(({ mails }) => mails.some(({ id }) => id === open))?.id;
  const select = useSelection(threads.map(({ id }) => id), here);
  const place = (id: string): string => `/inbox/mail/${id}${search.value}`;
  const step = (by: 1 | -1): void => { // From what is open, however somebody came there.
    const from = threads.findIndex(({ id }) => id === here);
    if (from < 0) select.step(by);
    else select.to(threads[from + by]?.id);
  };
  const nextWaiting = (): void => {
    const ids = threads.filter(({ waits }) => waits).map(({ id }) => id);
    select.to(ids[((select.id === null ? -1 : ids.indexOf(select.id)) + 1) % ids.length]);
  };
  useKeys([
    { name: "next", run: () => step(1) },
    { name: "previous", run: () => step(-1) },
    { name: "open", run: () => select.id !== null && go(place(select.id)) },
    { name: "waiting", run: nextWaiting },
    { name: "leave", run: () => open !== undefined && go(`/inbox/mail${search.value}`) },
    ...(may("approve") ? [
      { name: "newMail" as const, run: add },
      ...(open === undefined ? [{ name: "replyMail" as const, run: () => {
        if (select.id === null) return;
        talk();
        go(place(select.id));
      } }] : []),
    ] : []),
  ]);
  useEffect(() => { // What is open follows what is selected, and not the other way.
    const isOther = open !== undefined && select.moved && select.id !== here;
    if (isOther && select.id !== null) replace(place(select.id));
  }, [select.id]);
  return (
    <section class="inbox-list" aria-label={named(words.list)} onFocusIn={select.onFocusIn}>
      <Kinds kind="mail" />
      <div class="mail-tools">
        <Search q={q} label={words.filter} about={words.filterAbout} />
        {may("approve") ? (
          <button class="main" onClick={add}>{words.add}<Hint of="newMail" /></button>
        ) : <span class="muted">{words.readOnly}</span>}
      </div>
      <Trouble problem={problem} retry={list.again} />
      {!ready && problem === null ? <Loading /> : null}
      {ready && threads.length === 0 ? <Empty filtered={q !== ""} /> : null}
      <div class="mail-rows">
        {threads.map((thread) => (
          <Row key={thread.id} thread={thread} selected={thread.id === (here ?? select.id)}
            open={thread.id === here} tasks={tasks} search={search.value} />
        ))}
      </div>
      {next === null ? null : (
        <p class="none"><button onClick={() => void list.more()}>{words.more}</button></p>
      )}
    </section>
  );
}

export function MailView({ id }: Params) {
  const { go, query, search } = useSeat(), q = query.value.get("q")?.trim() ?? "";
  const list = useMails(q), threads = threadsOf(list.rows.value.items);
  const known = threads.find(({ mails }) => mails.some((mail) => mail.id === id));
  const [adding, addingSet] = useState(false), [talk, talkSet] = useState<boolean>(false);
  useEffect(() => {
    if (id === undefined) talkSet(false);
  }, [id]);
  return (
    <div class={`page inbox${id === undefined ? "" : " open"}`}>
      <h1>{words.inbox}</h1>
      <List q={q} threads={threads} open={id} list={list} add={() => addingSet(true)}
        talk={() => talkSet(true)} />
      {/* The thread stays the same one, whichever of its mails the address names. */}
      {id === undefined || (!list.rows.value.ready && list.rows.value.problem === null) ? null : (
        <ThreadView key={known?.id ?? id} id={id} known={known} talk={talk} search={search.value} />
      )}
      {adding ? (
        <MailForm old={null} project={known?.mails[0]?.project ?? null}
          close={() => addingSet(false)}
          done={(mail) => go(`/inbox/mail/${mail.id}${search.value}`)} />
      ) : null}
    </div>
  );
}
