/** The rows of the desk, live, for a view that is drawn once questions and overview are read. */
import { useRef } from "preact/hooks";

import type { Ask, Wait, Waiting } from "../api/types.ts";
import { isOpen, useAsks } from "./asks.ts";
import { arranged, type DeskRow } from "./desk.ts";
import { home, NEWS } from "./home.ts";
import { useRead } from "./read.ts";

const ofAsk = (ask: Ask): DeskRow => ({
  id: ask.id, project: ask.project, since_ms: ask.asked_ms, ask, wait: null, over: !isOpen(ask),
});
const ofWait = (wait: Wait): DeskRow => ({
  id: wait.id, project: wait.project, since_ms: wait.since_ms, ask: null, wait, over: false,
});

export function useDesk(): readonly DeskRow[] {
  const { items } = useAsks(), { overview } = home.value, more = overview?.waiting.more ?? false;
  const { value } = useRead<Waiting>(more ? "/waiting?limit=1000" : null, {}, [overview]);
  const rows = useRef<readonly DeskRow[]>([]);
  const waits = (value ?? overview?.waiting)?.items ?? [];
  const others = waits.filter(({ kind }) => kind !== "ask" && !NEWS.includes(kind));
  return (rows.current = arranged(rows.current, [...items.map(ofAsk), ...others.map(ofWait)]));
}
