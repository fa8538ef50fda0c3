/** Runs of every kind, newest first. The address has what is shown; several are stopped, removed
 *  and marked as seen at once. */
import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import { Loading } from "../parts/loading.tsx";
import { useSelection } from "../parts/select.ts";
import { Trouble } from "../parts/trouble.tsx";
import { useSeat } from "../router/router.ts";
import { Hint } from "../shell/kbd.tsx";
import { useKeys } from "../shell/keys.ts";
import type { Name } from "../shell/shortcuts.ts";
import { may } from "../state/me.ts";
import { followOwner } from "../state/owner.ts";
import { followRows, type RowsFollow } from "../state/rows.ts";
import { Bulk, type Wish } from "./bulk.tsx";
import { Filters } from "./filters.tsx";
import {
  ACTIONS, comparisonOf, filterOf, fits, heldBack, isBad, isFiltered, pathOf, placeOf, type Action,
  type RunRow, type RunsFilter,
} from "./rules.ts";
import { Row } from "./row.tsx";
import { words } from "./words.ts";

const FRESH_MS = 2_000;
const KEYS: Record<Action, Name> = { stop: "stopRuns", remove: "removeRuns", seen: "seenRuns" };

/** No event tells of runs inside others: they are read again after any other one. */
function followInside(list: RowsFollow<RunRow>): () => void {
  let timer: ReturnType<typeof setTimeout> | null = null;
  const soon = (): void => {
    timer ??= setTimeout(() => {
      timer = null;
      void list.fresh();
    }, FRESH_MS);
  };
  const end = followOwner({ onReset: () => {}, onEvents: soon, onNotices: soon });
  return () => {
    if (timer !== null) clearTimeout(timer);
    end();
  };
}

function useRuns(filter: RunsFilter): RowsFollow<RunRow> {
  const list = useMemo(() => {
    const now_ms = Date.now();
    return followRows<RunRow>({
      path: pathOf(filter, now_ms), type: "run_changed",
      fits: (row) => fits(row, filter, now_ms), newest: ({ made_ms }) => made_ms,
    });
  }, []);
  useEffect(() => {
    const end = filter.inside ? followInside(list) : () => {};
    return () => {
      end();
      list.end();
    };
  }, [list]);
  return list;
}

function Empty({ filtered }: { filtered: boolean }) {
  const { replace } = useSeat();
  if (filtered) {
    return (
      <div class="empty">
        <p>{words.none}</p>
        <p><button onClick={() => replace("/runs")}>{words.clear}</button></p>
      </div>
    );
  }
  return (
    <div class="empty">
      <p>{words.empty}</p>
      <p class="muted">{words.emptyNext}</p>
      <p><a class="button main" href="/workflows">{words.catalog}</a></p>
      <pre>{words.emptyCommand}</pre>
    </div>
  );
}

/** While somebody points at the list, or is in it, no row moves: new ones wait. */
function useHeld(items: readonly RunRow[]) {
  const box = useRef<HTMLDivElement>(null), stood = useRef<ReadonlySet<string>>(new Set());
  const left = useSignal(0);
  void left.value;
  const isHeld = box.current?.matches(":hover, :focus-within") ?? false;
  const isThere = items.some(({ id }) => stood.current.has(id));
  if (!isHeld || !isThere) stood.current = new Set(items.map(({ id }) => id));
  const leave = (): void => void left.value++;
  return { box, leave, ...heldBack(items, isHeld ? stood.current : null),
    release: () => {
      stood.current = new Set();
      leave();
    } };
}

function Picked({ rows, ask, clear }: {
  rows: RunRow[]; ask(action: Action): void; clear(): void;
}) {
  const comparison = comparisonOf(rows);
  return (
    <div class="picked">
      <b role="status">{words.picked(rows.length)}</b>
      {ACTIONS.map((action) => (
        <button key={action} onClick={() => ask(action)}>
          {words.actions[action]}<Hint of={KEYS[action]} />
        </button>
      ))}
      {comparison === null ? null : (
        <a class="button" href={comparison}>{words.compare}<Hint of="compareRuns" /></a>
      )}
      <button class="quiet" onClick={clear}>{words.clearPicked}</button>
    </div>
  );
}

function List({ filter }: { filter: RunsFilter }) {
  const { go } = useSeat(), list = useRuns(filter);
  const { items, next, ready, problem } = list.rows.value;
  const [gone, goneSet] = useState<ReadonlySet<string>>(new Set());
  const held = useHeld(items.filter(({ id }) => !gone.has(id))), rows = held.shown;
  const [picked, pickedSet] = useState<ReadonlySet<string>>(new Set());
  const [wish, wishSet] = useState<Wish | null>(null);
  const [result, resultSet] = useState("");
  const select = useSelection(rows.map(({ id }) => id));
  const one = rows.find(({ id }) => id === select.id);
  const chosen = rows.filter(({ id }) => picked.has(id));
  const pick = (ids: string[]): void => {
    if (!may("run")) return;
    const next_ = new Set(picked), all = ids.every((id) => picked.has(id));
    ids.forEach((id) => (all ? next_.delete(id) : next_.add(id)));
    pickedSet(next_);
  };
  const ask = (action: Action): void => {
    const among = chosen.length > 0 ? chosen : one === undefined ? [] : [one];
    if (may("run") && among.length > 0) wishSet({ action, rows: among });
  };
  const compare = (): void => {
    const place = comparisonOf(chosen);
    if (place !== null) go(place);
  };
  const open = (): void => {
    const place = one === undefined ? null : placeOf(one);
    if (place !== null) go(place);
  };
  const failure = (by: 1 | -1): void => {
    const at = rows.findIndex(({ id }) => id === select.id);
    const order = by > 0 ? rows.slice(at + 1) : rows.slice(0, Math.max(0, at)).reverse();
    select.to(order.find(isBad)?.id);
  };
  useKeys([
    { name: "next", run: () => select.step(1) },
    { name: "previous", run: () => select.step(-1) },
    { name: "open", run: open },
    { name: "openRow", run: open },
    { name: "nextFailure", run: () => failure(1) },
    { name: "previousFailure", run: () => failure(-1) },
    ...(may("run") ? [
      { name: "pick" as const, run: () => one !== undefined && pick([one.id]) },
      { name: "pickAll" as const, run: () => pick(rows.map(({ id }) => id)) },
      { name: "compareRuns" as const, run: compare },
      { name: "leave" as const, run: () => pickedSet(new Set()) },
      ...ACTIONS.map((action) => ({ name: KEYS[action], run: () => ask(action) })),
    ] : []),
  ]);
  const close = (): void => {
    wishSet(null);
    if (one !== undefined) select.to(one.id);
  };
  return (
    <>
      <Trouble problem={problem} retry={list.again} />
      {!ready && problem === null ? <Loading /> : null}
      {ready && rows.length === 0 ? <Empty filtered={isFiltered(filter)} /> : null}
      {held.fresh === 0 ? null : (
        <p class="fresh"><button class="quiet" onClick={held.release}>
          {words.fresh(held.fresh)}
        </button></p>
      )}
      <div ref={held.box} onFocusIn={select.onFocusIn} onMouseLeave={held.leave}
        onFocusOut={held.leave}>
        {rows.map((run) => (
          <Row key={run.id} run={run} selected={run.id === select.id} picked={picked.has(run.id)}
            pick={(id) => pick([id])} />
        ))}
      </div>
      {next === null ? null : (
        <p class="more"><button onClick={() => void list.more()}>{words.more}</button></p>
      )}
      {chosen.length === 0 ? null : (
        <Picked rows={chosen} ask={ask} clear={() => pickedSet(new Set())} />
      )}
      <p class="muted result" role="status">{result}</p>
      {wish === null ? null : (
        <Bulk {...wish} close={close} done={(text, removed) => {
          resultSet(text);
          pickedSet(new Set());
          goneSet(new Set([...gone, ...removed]));
          if (filter.inside) void list.fresh();
        }} />
      )}
    </>
  );
}

export function Runs() {
  const { query } = useSeat();
  const filter = filterOf(query.value);
  return (
    <div class="page runs">
      <div class="head"><h1>{words.title}</h1></div>
      <Filters filter={filter} />
      <List key={JSON.stringify(filter)} filter={filter} />
    </div>
  );
}
