/** A search for damaged rows, part by part, until it is over or nobody looks any more. */
import { useEffect, useRef, useState } from "preact/hooks";

import { get, type Problem } from "../api/api.ts";
import type { Damage, Page } from "../api/types.ts";
import { Copy } from "../parts/copy.tsx";
import { Bounded } from "../parts/bounded.tsx";
import { Trouble } from "../parts/trouble.tsx";
import { visible } from "../parts/visible.ts";
import { Command, VerdictMark } from "./findings.tsx";
import { words } from "./words.ts";

const SHOWN = 100;

interface Search {
  phase: "none" | "reads" | "stopped" | "over";
  parts: number; found: number; rows: Damage[]; problem: Problem | null;
}
const NONE: Search = { phase: "none", parts: 0, found: 0, rows: [], problem: null };

function useSearch(): { search: Search; begin(): void; stop(): void } {
  const [search, searchSet] = useState(NONE);
  const mine = useRef(0);
  const begin = async (): Promise<void> => {
    const id = ++mine.current;
    let now: Search = { ...NONE, phase: "reads" };
    searchSet(now);
    for (let after: string | null = ""; after !== null;) {
      const more: string = after === "" ? "" : `?after=${encodeURIComponent(after)}`;
      const answer = await get<Page<Damage>>(`/damage${more}`);
      if (id !== mine.current) return;
      if (!answer.ok) {
        searchSet({ ...now, phase: "stopped", problem: answer.problem });
        return;
      }
      const { items, next } = answer.value;
      now = { ...now, parts: now.parts + 1, found: now.found + items.length,
        rows: [...now.rows, ...items].slice(0, SHOWN) };
      searchSet(now);
      after = next;
    }
    searchSet({ ...now, phase: "over" });
  };
  const stop = (): void => {
    mine.current++;
    searchSet((now) => ({ ...now, phase: "stopped" }));
  };
  useEffect(() => () => void mine.current++, []);
  return { search, begin: () => void begin(), stop };
}

function Row({ damage: { table, row, column, what, remove } }: { damage: Damage }) {
  return (
    <li class="row finding">
      <VerdictMark verdict="fail" />
      <b class="mono" dir="auto">{visible(`${table}, ${row}`)}</b>
      <div class="said">
        <p dir="auto"><code>{visible(column)}</code> {visible(what)}</p>
        <p class="command" dir="auto">
          <code><Bounded text={remove} /></code>{" "}
          <Copy text={remove} />
        </p>
      </div>
    </li>
  );
}

export function DamageSearch({ database }: { database: string }) {
  const { search: { phase, parts, found, rows, problem }, begin, stop } = useSearch();
  const said = phase === "none" ? "" : phase === "reads" ? words.searching(parts)
    : found > 0 ? words.damaged(found, found > rows.length)
      : phase === "over" ? words.noDamage : words.stopped;
  return (
    <>
      <p class="muted">{words.damageAbout}</p>
      <p class="acts">
        {phase === "reads" ? <button onClick={stop}>{words.stop}</button>
          : <button onClick={begin}>{words.search}</button>}
        <span role="status">{said}</span>
      </p>
      <Trouble problem={problem} />
      {rows.length === 0 ? null : (
        <>
          <p>{words.damageDo}</p>
          <Command text={database === "postgres" ? words.postgresCommand : words.sqliteCommand} />
          <ul class="plain">{rows.map((one, at) => <Row key={at} damage={one} />)}</ul>
        </>
      )}
    </>
  );
}
