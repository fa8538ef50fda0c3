/** The Inbox: all that waits for a person, from any depth. The address has the question that is
 *  open, and what is shown. */
import { Fragment } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";

import type { Ask } from "../api/types.ts";
import { AskCard } from "../ask/ask.tsx";
import { useAskKeys } from "../ask/keys.ts";
import { headline } from "../ask/text.ts";
import { Loading } from "../parts/loading.tsx";
import { useSelection } from "../parts/select.ts";
import { Trouble } from "../parts/trouble.tsx";
import { visible } from "../parts/visible.ts";
import { WaitRow } from "../parts/wait.tsx";
import { headlineOf, placeOfWait } from "../parts/waits.ts";
import type { Params } from "../router/routes.ts";
import { useSeat } from "../router/router.ts";
import { useKeys } from "../shell/keys.ts";
import { firstOf } from "../state/arrays.ts";
import { answerAll, asksRead, isOpen, useAsks } from "../state/asks.ts";
import { isHeaded } from "../state/desk.ts";
import { home } from "../state/home.ts";
import { may } from "../state/me.ts";
import { useDesk } from "../state/usedesk.ts";
import { Confirm, type Confirming } from "./confirm.tsx";
import { Detail } from "./detail.tsx";
import { GroupRow } from "./group.tsx";
import {
  countsOf, fitting, grouped, kindOf, ofKind, openOf, rowsOf, type Kind, type Row,
} from "./groups.ts";
import { Kinds } from "./kinds.tsx";
import { Notify } from "./notify.tsx";
import { words } from "./words.ts";

function Empty({ kind }: { kind: Kind }) {
  if (kind !== "all") return <p class="none">{words.emptyKind}</p>;
  return (
    <div class="empty">
      <p>{words.empty}</p>
      <p class="muted">{words.emptyAbout}</p>
      <pre>{words.ask}</pre>
    </div>
  );
}

function toggled(set: ReadonlySet<string>, ids: string[]): ReadonlySet<string> {
  const all = ids.every((id) => set.has(id)), next = new Set(set);
  ids.forEach((id) => (all ? next.delete(id) : next.add(id)));
  return next;
}

const ROWS = 100; // Drawn at first, and more with each press of the button.

const nameOf = ({ members: [first], other }: Row): string =>
  (first !== undefined ? `${visible(first.step)} ${headline(first)}`
    : other?.wait == null ? "" : headlineOf(other.wait));

const waits = ({ members, other }: Row): boolean =>
  (other === null ? members.some(isOpen) : !other.over);

/** The same card for the same question: one that changed among many draws only itself. */
function Card({ ask, selected, here }: { ask: Ask; selected: boolean; here: boolean }) {
  return useMemo(() => <AskCard ask={ask} compact selected={selected} here={here} />,
    [ask, selected, here]);
}

interface Marks { picked: ReadonlySet<string>; pick(ids: string[]): void }

function Rows({ rows, open, select, marks, expanded, expand, decide }: {
  rows: readonly Row[]; open: string | undefined; select: string | null; marks: Marks;
  expanded: ReadonlySet<string>; expand(id: string): void;
  decide(decision: "allow" | "deny", asks: Ask[]): void;
}) {
  return (
    <>
      {rows.map((row, at) => {
        const [first] = row.members, selected = select === row.id, wait = row.other?.wait ?? null;
        return (
          <Fragment key={row.id}>
            {isHeaded(rows, at) ? (
              <h2 class="project" dir="auto">{visible(row.project ?? words.noProject)}</h2>
            ) : null}
            <div class={`pickable depth-${row.depth}`}>
              {may("approve") && first !== undefined ? (
                <label class="pick">
                  <span class="hidden">{words.pick(nameOf(row))}</span>
                  <input type="checkbox" checked={marks.picked.has(row.id)} data-pick={row.id}
                    onChange={() => marks.pick([row.id])} />
                </label>
              ) : null}
              {row.other !== null && wait !== null ? (
                <WaitRow row={row.other} wait={wait} selected={selected} />
              ) : row.members.length > 1 ? (
                <GroupRow id={row.id} members={row.members} selected={selected}
                  expanded={expanded.has(row.id)} expand={() => expand(row.id)}
                  decide={(decision) => decide(decision, row.members)} />
              ) : first === undefined ? null : (
                <Card ask={first} selected={selected} here={open === first.id} />
              )}
            </div>
          </Fragment>
        );
      })}
    </>
  );
}

/** What is selected, and how it is answered. */
function List({ open }: { open: string | undefined }) {
  const { go, query, replace, search } = useSeat();
  const desk = useDesk(), kind = kindOf(query.value.get("kind"));
  const [picked, pickedSet] = useState<ReadonlySet<string>>(new Set());
  const [expanded, expandedSet] = useState<ReadonlySet<string>>(new Set());
  const [confirming, confirmingSet] = useState<Confirming | null>(null);
  const [result, resultSet] = useState("");
  const [most, mostSet] = useState(ROWS);
  const all = rowsOf(grouped(ofKind(desk, kind)), expanded);
  const rows = firstOf(all, waits, most);
  const select = useSelection(rows.map(({ id }) => id), open);
  const row = rows.find(({ id }) => id === select.id), one = row?.members[0];
  const due = openOf(all, picked), isMany = due.length > 0 || (row?.members.length ?? 0) > 1;
  const expand = (id: string) => expandedSet((now) => toggled(now, [id]));
  const ask = (decision: "allow" | "deny", among: readonly Ask[]): void => {
    const fit = fitting(among, decision);
    if (fit.length > 0) confirmingSet({ decision, asks: fit });
  };
  const openRow = (): void => {
    if (row !== undefined && row.members.length > 1) expand(row.id);
    else if (one !== undefined) go(`/inbox/${one.id}${search.value}`);
    else if (row?.other?.wait != null) {
      const place = placeOfWait(row.other.wait);
      if (place !== null) go(place);
    }
  };
  const leave = (): void => {
    if (picked.size > 0) pickedSet(new Set());
    else if (open !== undefined) go(`/inbox${search.value}`);
  };
  const nextWaiting = (): void => {
    const ids = rows.filter(waits).map(({ id }) => id);
    const at = select.id === null ? -1 : ids.indexOf(select.id);
    select.to(ids[(at + 1) % ids.length]);
  };
  const pickAll = (): void => {
    const questions = all.filter(({ other }) => other === null);
    if (may("approve")) pickedSet((now) => toggled(now, questions.map(({ id }) => id)));
  };
  const pickOne = (): void => {
    if (row?.other === null && may("approve")) pickedSet((now) => toggled(now, [row.id]));
  };
  const confirmed = async (yes: boolean): Promise<void> => {
    confirmingSet(null);
    if (select.id !== null) select.to(select.id);
    if (!yes || confirming === null) return;
    pickedSet(new Set());
    const { decision, asks } = confirming;
    resultSet(words.done(await answerAll(asks, { decision }), asks.length));
  };
  useKeys([
    { name: "next", run: () => select.step(1) },
    { name: "previous", run: () => select.step(-1) },
    { name: "open", run: openRow },
    { name: "waiting", run: nextWaiting },
    { name: "pick", run: pickOne },
    { name: "pickAll", run: pickAll },
    { name: "leave", run: leave },
  ]);
  useAskKeys(isMany ? null : one ?? null, {
    other: (decision) => (due.length > 0 ? ask(decision, due)
      : row !== undefined && row.members.length > 1 ? ask(decision, row.members) : openRow()),
  });
  const isOther = open !== undefined && one !== undefined && row?.members.length === 1 &&
    one.id !== open && select.moved;
  useEffect(() => {
    if (isOther) replace(`/inbox/${one.id}${search.value}`); // What is open follows.
  }, [isOther, one?.id]);
  return (
    <div class="inbox-list" onFocusIn={select.onFocusIn}>
      <Kinds kind={kind} counts={countsOf(desk)} />
      {rows.length === 0 ? <Empty kind={kind} /> : null}
      <Rows rows={rows} open={open} select={select.id} expanded={expanded} expand={expand}
        decide={ask} marks={{ picked, pick: (ids) => pickedSet((now) => toggled(now, ids)) }} />
      {rows.length === all.length ? null : (
        <p class="none">
          <button onClick={() => mostSet(most + ROWS)}>
            {words.showMore(all.length - rows.length)}
          </button>
        </p>
      )}
      {due.length === 0 ? null : (
        <div class="picked" role="status">
          <b>{words.picked(due.length)}</b>
          <button class="main" onClick={() => ask("allow", due)}>
            {words.allow(fitting(due, "allow").length)}
          </button>
          <button onClick={() => ask("deny", due)}>{words.deny(due.length)}</button>
          <button class="quiet" onClick={() => pickedSet(new Set())}>{words.clear}</button>
        </div>
      )}
      <p class="muted" role="status">{result}</p>
      <Notify />
      {confirming === null ? null
        : <Confirm {...confirming} answer={(yes) => void confirmed(yes)} />}
    </div>
  );
}

export function Inbox({ id }: Params) {
  const { ready, problem, more, items } = useAsks();
  const trouble = problem ?? home.value.problem;
  if (!ready) {
    return <div class="page">
      {trouble === null ? <Loading /> : <Trouble problem={trouble} retry={() => void asksRead()} />}
    </div>;
  }
  return (
    <div class={`page inbox${id === undefined ? "" : " open"}`}>
      <h1>{words.inbox}</h1>
      <List open={id} />
      {id === undefined ? null : <Detail key={id} id={id} />}
      {more ? <p class="none">{words.moreThan(items.length)}</p> : null}
      <Trouble problem={trouble} retry={() => void asksRead()} />
    </div>
  );
}
