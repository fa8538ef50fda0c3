/** Every session, the one that changed last first; filters live in the address. */
import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";

import type { Session } from "../api/types.ts";
import { Brand } from "../parts/brand.tsx";
import { Loading } from "../parts/loading.tsx";
import { Search } from "../parts/search.tsx";
import { when } from "../parts/text.ts";
import { titleOf } from "../parts/title.ts";
import { visible } from "../parts/visible.ts";
import { useNamed, useSeat } from "../router/router.ts";
import { More } from "../session/more.tsx";
import { SessionStateOf } from "../session/state.tsx";
import { answerer, price } from "../session/text.ts";
import { words as session } from "../session/words.ts";
import { useKeys } from "../shell/keys.ts";
import { now } from "../state/clock.ts";
import { home } from "../state/home.ts";
import { may } from "../state/me.ts";
import { followRows, type RowsFollow } from "../state/rows.ts";
import { words as shared } from "../words.ts";
import { NewSession } from "./new.tsx";
import { inOrder } from "./order.ts";
import { archive, remove, Several } from "./several.tsx";
import { words } from "./words.ts";

type Row = Session & { match?: { message?: string; text: string } };
const STATES = ["running", "waiting", "idle", "compacting"];

/** In one of three lists: "", "archived", "deleted". */
interface Filters { q: string; state: string; shelf: string }
const SHELVES = ["", "archived", "deleted"];
const shelfOf = ({ archived, deleted_ms }: Row): string =>
  (deleted_ms !== null ? "deleted" : archived ? "archived" : "");

function pathOf({ q, state, shelf }: Filters): string {
  const given = new URLSearchParams({ limit: "100" });
  if (q !== "") given.set("q", q);
  if (state !== "") given.set("state", state);
  if (shelf !== "") given.set(shelf, "1");
  return `/sessions?${given}`;
}

function followOf(filters: Filters): RowsFollow<Row> {
  const follow: RowsFollow<Row> = followRows<Row>({
    path: pathOf(filters),
    type: "session_changed",
    fits: (row) => row.parent === null && shelfOf(row) === filters.shelf &&
      (filters.state === "" || row.state === filters.state) &&
      // What is searched for only the daemon finds.
      (filters.q === "" || follow.rows.peek().items.some(({ id }) => id === row.id)),
  });
  return follow;
}

/** While somebody points at a row or is in one, each stays where it is. */
function useOrder(items: Row[], isHeld: () => boolean): { row: Row; isBelow: boolean }[] {
  const placed = useRef<string[]>([]);
  const rows = inOrder(items, isHeld() ? placed.current : undefined);
  placed.current = rows.map(({ row }) => row.id);
  return rows;
}

/** Where it works. */
const placeOf = ({ project, root }: Row): string =>
  visible(project !== "default" ? project : root?.split("/").pop() ?? "");

interface RowProps {
  row: Row;
  isBelow: boolean;
  chosen: boolean;
  choose(): void;
  more(): void;
}

function RowOf({ row, isBelow, chosen, choose, more }: RowProps) {
  const title = titleOf(row), about = row.match?.text ?? row.last;
  const isUnread = home.value.overview?.unseen.sessions.some(({ id }) => id === row.id) ?? false;
  const hash = row.match?.message ? `#${row.match.message}` : "";
  const cost = row.usage.calls > 0 ? price(row.usage) : "";
  return (
    <div class={isBelow ? "row session-row below" : "row session-row"} data-id={row.id}>
      {may("run") ? (
        <input type="checkbox" aria-label={words.choose(title)} checked={chosen}
          onChange={choose} />
      ) : <span />}
      <a class="session-link" href={`/s/${row.id}${hash}`}>
        <Brand id={row.id} />
        <span class="what">
          <span class={isUnread ? "clip unread-title" : "clip"} dir="auto">
            {title}
            {row.fork_of === null ? null : <span class="muted small"> · {words.fork}</span>}
          </span>
          {isUnread ? <span class="hidden">{words.unread}</span> : null}
          <span class="clip muted small" dir="auto">{about ? visible(about) : words.noWords}</span>
        </span>
        <SessionStateOf state={row.state} />
        <span class="clip muted place" dir="auto">{placeOf(row)}</span>
        <span class="clip muted by" dir="auto">{answerer(row)}</span>
        <span class="muted num cost">{cost}</span>
        <span class="muted num">{when(row.changed_ms, now.value)}</span>
      </a>
      {may("run") ? (
        <button class="quiet icon" aria-label={words.moreOf(title)} title={words.moreOf(title)}
          onClick={more}>⋯</button>
      ) : null}
    </div>
  );
}

function Empty({ filtered, partial }: { filtered: boolean; partial: boolean }) {
  const { go } = useSeat();
  if (filtered) {
    return (
      <div class="empty">
        <p>{words.noneFound}{partial ? ` ${words.noneFoundNext}` : ""}</p>
        <p><button onClick={() => go("/sessions")}>{words.clear}</button></p>
      </div>
    );
  }
  return (
    <div class="empty">
      <p>{words.none}</p>
      <p class="muted">{words.noneNext}</p>
      {words.noneCommands.map((command) => <pre key={command}>{command}</pre>)}
    </div>
  );
}

function Filter({ filters }: { filters: Filters }) {
  const { setQuery } = useSeat(), named = useNamed();
  return (
    <div class="session-filters" role="search" aria-label={named(words.search)}>
      <Search q={filters.q} label={words.search}
        about={`${words.search} ${words.searchAbout}`} />
      <select aria-label={words.state} value={filters.state}
        onChange={(event) => setQuery("state", event.currentTarget.value || null)}>
        <option value="">{words.anyState}</option>
        {STATES.map((one) => <option key={one} value={one}>{session.states[one]}</option>)}
      </select>
      <select aria-label={words.shelf} value={filters.shelf}
        onChange={(event) => setQuery("shelf", event.currentTarget.value || null)}>
        {SHELVES.map((one) => <option key={one} value={one}>{words.shelves[one]}</option>)}
      </select>
    </div>
  );
}

function List({ filters }: { filters: Filters }) {
  const follow = useMemo(() => followOf(filters), []);
  useEffect(() => follow.end, []);
  const box = useRef<HTMLDivElement>(null);
  const { items, next, ready, problem } = follow.rows.value;
  const isHeld = (): boolean => box.current?.matches(":hover, :focus-within") ?? false;
  const left = useSignal(0); // How often nobody pointed at a row any more: they may be sorted.
  void left.value;
  const rows = useOrder(items, isHeld);
  const chosen = useSignal<ReadonlySet<string>>(new Set()), more = useSignal<Row | null>(null);
  const choose = (id: string): void => {
    const all = new Set(chosen.value);
    if (!all.delete(id)) all.add(id);
    chosen.value = all;
  };
  const chosenRows = items.filter(({ id }) => chosen.value.has(id));
  const step = (by: number): void => {
    const links = [...(box.current?.querySelectorAll<HTMLElement>("a.session-link") ?? [])];
    const at = links.findIndex((link) => link === document.activeElement);
    links[Math.max(0, Math.min(links.length - 1, at + by))]?.focus();
  };
  useKeys([
    { name: "next", run: () => step(1) },
    { name: "previous", run: () => step(-1) },
    { key: "x", about: words.chooseKey, run: () => {
      const row = document.activeElement?.closest<HTMLElement>(".session-row");
      if (row?.dataset.id && box.current?.contains(row)) choose(row.dataset.id);
    } },
  ]);
  if (!ready && problem === null) return <Loading />;
  const filtered = filters.q !== "" || filters.state !== "" || filters.shelf !== "";
  return (
    <>
      {problem === null ? null : (
        <p role="alert">
          {shared.problem(problem)} <code>{problem.code}</code>{" "}
          <button onClick={follow.again}>{shared.retry}</button>
        </p>
      )}
      {filters.shelf === "deleted" ? <p class="muted">{words.deletedAbout}</p> : null}
      {ready && rows.length === 0 ? <Empty filtered={filtered} partial={next !== null} /> : null}
      <div ref={box} onMouseLeave={() => left.value++} onFocusOut={() => left.value++}>
        {rows.map(({ row, isBelow }) => (
          <RowOf key={row.id} row={row} isBelow={isBelow} chosen={chosen.value.has(row.id)}
            choose={() => choose(row.id)} more={() => (more.value = row)} />
        ))}
      </div>
      {next === null ? null : (
        <p class="none"><button onClick={() => void follow.more()}>{words.more}</button></p>
      )}
      {may("run") ? (
        <Several rows={chosenRows} shelf={filters.shelf} end={() => (chosen.value = new Set())} />
      ) : null}
      {more.value === null ? null : (
        <More session={more.value} close={() => (more.value = null)} change={(what) => {
          const row = more.value!;
          void ("deleted" in what ? remove([row], what.deleted) : archive([row], what.archived));
        }} />
      )}
    </>
  );
}

export function Sessions() {
  const { query } = useSeat();
  const q = query.value.get("q") ?? "", state = query.value.get("state") ?? "";
  const shelf = query.value.get("shelf") ?? "";
  const filters = { q, state: STATES.includes(state) ? state : "",
    shelf: SHELVES.includes(shelf) ? shelf : "" };
  const isNew = useSignal(false);
  useKeys([{ name: "newSession", run: () => (isNew.value = may("run")) }]);
  return (
    <div class="page sessions">
      <div class="head">
        <h1>{shared.sessions}</h1>
        {may("run") ? (
          <span class="end">
            <button class="main" onClick={() => (isNew.value = true)}>{words.new}</button>
          </span>
        ) : null}
      </div>
      {isNew.value ? <NewSession onClose={() => (isNew.value = false)} /> : null}
      <Filter filters={filters} />
      <List key={pathOf(filters)} filters={filters} />
    </div>
  );
}
