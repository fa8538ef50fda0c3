/** Every session, the one that changed last first; filters live in the address. */
import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";

import type { Session } from "../api/types.ts";
import { Brand } from "../parts/brand.tsx";
import { Loading } from "../parts/loading.tsx";
import { Search } from "../parts/search.tsx";
import { when } from "../parts/text.ts";
import { visible } from "../parts/visible.ts";
import { useNamed, useSeat } from "../router/router.ts";
import { SessionStateOf } from "../session/state.tsx";
import { answerer, price, titleOf } from "../session/text.ts";
import { words as session } from "../session/words.ts";
import { useKeys } from "../shell/keys.ts";
import { now } from "../state/clock.ts";
import { home } from "../state/home.ts";
import { may } from "../state/me.ts";
import { followRows, type RowsFollow } from "../state/rows.ts";
import { words as shared } from "../words.ts";
import { NewSession } from "./new.tsx";
import { words } from "./words.ts";

type Row = Session & { match?: { message?: string; text: string } };
const STATES = ["running", "waiting", "idle", "compacting"];

interface Filters { q: string; state: string; archived: boolean }

function pathOf({ q, state, archived }: Filters): string {
  const given = new URLSearchParams({ limit: "100" });
  if (q !== "") given.set("q", q);
  if (state !== "") given.set("state", state);
  if (archived) given.set("archived", "1");
  return `/sessions?${given}`;
}

function followOf(filters: Filters): RowsFollow<Row> {
  const follow: RowsFollow<Row> = followRows<Row>({
    path: pathOf(filters),
    type: "session_changed",
    fits: (row) => row.parent === null && row.archived === filters.archived &&
      (filters.state === "" || row.state === filters.state) &&
      // What is searched for only the daemon finds.
      (filters.q === "" || follow.rows.peek().items.some(({ id }) => id === row.id)),
  });
  return follow;
}

/** Changed last first; while somebody points at a row or is in one, each stays where it is. */
function useOrder(items: Row[], isHeld: () => boolean): Row[] {
  const places = useRef(new Map<string, number>());
  const sorted = [...items].sort((a, b) => b.changed_ms - a.changed_ms);
  if (isHeld()) {
    const at = ({ id }: Row): number => places.current.get(id) ?? Infinity;
    sorted.sort((a, b) => (at(a) === at(b) ? 0 : at(a) - at(b)));
  }
  places.current = new Map(sorted.map(({ id }, place) => [id, place]));
  return sorted;
}

/** Where it works, what it cost, and whether it began as a copy of another one. */
function factsOf({ project, root, usage, fork_of }: Row): string {
  const place = project !== "default" ? project : root?.split("/").pop() ?? "";
  return [visible(place), usage.calls > 0 ? price(usage) : "", fork_of === null ? "" : words.fork]
    .filter((fact) => fact !== "").join(" · ");
}

function RowOf({ row }: { row: Row }) {
  const about = row.match?.text ?? factsOf(row);
  const isUnread = home.value.overview?.unseen.sessions.some(({ id }) => id === row.id) ?? false;
  const hash = row.match?.message ? `#${row.match.message}` : "";
  return (
    <a class="row session-row" href={`/s/${row.id}${hash}`}>
      <Brand id={row.id} />
      <span class="what">
        <span class={isUnread ? "clip unread-title" : "clip"} dir="auto">{titleOf(row)}</span>
        {isUnread ? <span class="hidden">{words.unread}</span> : null}
        {about === "" ? null : (
          <span class="clip muted small" dir="auto">{visible(about)}</span>
        )}
      </span>
      <SessionStateOf state={row.state} />
      <span class="clip muted by" dir="auto">{answerer(row)}</span>
      <span class="muted num">{when(row.changed_ms, now.value)}</span>
    </a>
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
      <label>
        <input type="checkbox" checked={filters.archived}
          onChange={(event) => setQuery("archived", event.currentTarget.checked ? "1" : null)} />
        {" "}{words.archived}
      </label>
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
  const step = (by: number): void => {
    const links = [...(box.current?.querySelectorAll<HTMLElement>("a.row") ?? [])];
    const at = links.findIndex((link) => link === document.activeElement);
    links[Math.max(0, Math.min(links.length - 1, at + by))]?.focus();
  };
  useKeys([
    { name: "next", run: () => step(1) },
    { name: "previous", run: () => step(-1) },
  ]);
  if (!ready && problem === null) return <Loading />;
  const filtered = filters.q !== "" || filters.state !== "" || filters.archived;
  return (
    <>
      {problem === null ? null : (
        <p role="alert">
          {shared.problem(problem)} <code>{problem.code}</code>{" "}
          <button onClick={follow.again}>{shared.retry}</button>
        </p>
      )}
      {ready && rows.length === 0 ? <Empty filtered={filtered} partial={next !== null} /> : null}
      <div ref={box} onMouseLeave={() => left.value++} onFocusOut={() => left.value++}>
        {rows.map((row) => <RowOf key={row.id} row={row} />)}
      </div>
      {next === null ? null : (
        <p class="none"><button onClick={() => void follow.more()}>{words.more}</button></p>
      )}
    </>
  );
}

export function Sessions() {
  const { query } = useSeat();
  const q = query.value.get("q") ?? "", state = query.value.get("state") ?? "";
  const archived = query.value.get("archived") !== null;
  const filters = { q, state: STATES.includes(state) ? state : "", archived };
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
