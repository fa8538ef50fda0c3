/** What agents remember, newest first, with topics and days. The address has the filters, and the
 *  memory that is open. */
import { useEffect, useState } from "preact/hooks";

import { remove, type Problem } from "../api/api.ts";
import type { Memory } from "../api/types.ts";
import { Loading } from "../parts/loading.tsx";
import { Search } from "../parts/search.tsx";
import { useSelection } from "../parts/select.ts";
import { Trouble } from "../parts/trouble.tsx";
import { visible } from "../parts/visible.ts";
import { useSeat } from "../router/router.ts";
import type { Params } from "../router/routes.ts";
import { Hint } from "../shell/kbd.tsx";
import { useKeys } from "../shell/keys.ts";
import { may } from "../state/me.ts";
import { Aside } from "./aside.tsx";
import { MemoryForm } from "./form.tsx";
import { useMemories, useOne, useSums, type Sums } from "./reading.ts";
import { Row } from "./row.tsx";
import { filterOf, isFiltered, isWhole, namesOf, type MemoryFilter } from "./rules.ts";
import { words } from "./words.ts";

/** A value of the choice that is no name of a project. */
const EVERY = "every", GENERAL = "general", NAMED = "project:";

function Projects({ filter, names }: { filter: MemoryFilter; names: string[] }) {
  const { setQuery } = useSeat(), { project } = filter;
  return (
    <label>
      <span class="hidden">{words.project}</span>
      <select value={project === null ? EVERY : project === "" ? GENERAL : NAMED + project}
        onChange={({ currentTarget: { value } }) => setQuery("project",
          value === EVERY ? null : value === GENERAL ? "" : value.slice(NAMED.length))}>
        <option value={EVERY}>{words.all}</option>
        <option value={GENERAL}>{words.general}</option>
        {names.map((name) => <option key={name} value={NAMED + name}>{visible(name)}</option>)}
      </select>
    </label>
  );
}

function Empty({ filtered }: { filtered: boolean }) {
  const { replace } = useSeat();
  return (
    <div class="empty">
      <p>{filtered ? words.none : words.empty}</p>
      {filtered ? <p><button onClick={() => replace("/memory")}>{words.clear}</button></p> : (
        <><p class="muted">{words.emptyNext}</p><pre>{words.emptyCommand}</pre></>
      )}
    </div>
  );
}

interface ListProps {
  filter: MemoryFilter; id: string | undefined; sums: Sums | null;
  list: ReturnType<typeof useMemories>; add(): void;
}

function List({ filter, id, list, add }: ListProps) {
  const { replace, search } = useSeat();
  const { items, next, ready, problem } = list.rows.value;
  const [refused, refusedSet] = useState<Problem | null>(null);
  const [gone, goneSet] = useState(false);
  const listed: Memory[] = items.filter(isWhole);
  const isElsewhere = id !== undefined && ready && !listed.some((one) => one.id === id);
  const one = useOne(isElsewhere && !gone ? id : null);
  const rows = one.value === null || !isElsewhere ? listed : [one.value, ...listed];
  const select = useSelection(rows.map((row) => row.id), id);
  useEffect(() => goneSet(false), [id]);
  const close = (): void => replace(`/memory${search.value}`);
  const forget = async (memory: Memory): Promise<void> => {
    const answer = await remove(`/memory/${memory.id}`);
    refusedSet(answer.ok ? null : answer.problem);
    if (!answer.ok) return;
    const at = rows.indexOf(memory), after = rows[at + 1] ?? rows[at - 1];
    goneSet(true);
    close();
    void list.fresh();
    select.to(after?.id);
  };
  useKeys([
    { name: "next", run: () => select.step(1) },
    { name: "previous", run: () => select.step(-1) },
    { name: "open", run: () => {
      if (select.id !== null) {
        replace(`/memory${select.id === id ? "" : `/${select.id}`}${search.value}`);
      }
    } },
    { name: "leave", run: () => id !== undefined && close() },
    ...(may("run") ? [{ name: "newMemory" as const, run: add }] : []),
  ]);
  const missing = isElsewhere && !gone ? one.problem : null;
  return (
    <section class="memories" aria-label={words.list}>
      <Trouble problem={refused ?? problem ?? missing}
        retry={problem === null ? undefined : list.again} />
      {!ready && problem === null ? <Loading /> : null}
      {ready && rows.length === 0 ? <Empty filtered={isFiltered(filter)} /> : null}
      <div onFocusIn={select.onFocusIn}>
        {rows.map((row) => (
          <Row key={row.id} memory={row} selected={row.id === select.id} open={row.id === id}
            search={search.value} remove={() => void forget(row)} />
        ))}
      </div>
      {next === null ? null : (
        <p class="more"><button onClick={() => void list.more()}>{words.more}</button></p>
      )}
      {filter.q !== "" && rows.length > 0
        ? <p class="muted small">{words.best(rows.length)}</p> : null}
    </section>
  );
}

export function MemoryView({ id }: Params) {
  const { query, replace, search } = useSeat();
  const filter = filterOf(query.value);
  const list = useMemories(filter), sums = useSums(filter);
  const [open, openSet] = useState(false);
  const names = namesOf(sums?.projects ?? [], [filter.project],
    list.rows.value.items.map(({ project }) => project));
  return (
    <div class="page memory">
      <div class="head">
        <h1>{words.title}</h1>
        <div class="filters">
          <Search q={filter.q} label={words.filter} about={words.filterAbout} />
          <Projects filter={filter} names={names} />
        </div>
        {may("run") ? (
          <button class="main end" onClick={() => openSet(true)}>
            {words.add}<Hint of="newMemory" />
          </button>
        ) : null}
      </div>
      {may("run") ? null : <p class="muted">{words.readOnly}</p>}
      <div class="with-aside">
        <List filter={filter} id={id} sums={sums} list={list} add={() => openSet(true)} />
        {sums === null || (sums.topics.length === 0 && filter.topic === "") ? null
          : <Aside sums={sums} topic={filter.topic} />}
      </div>
      {open ? (
        <MemoryForm filter={filter} close={() => openSet(false)}
          done={({ id: made }) => replace(`/memory/${made}${search.value}`)} />
      ) : null}
    </div>
  );
}
