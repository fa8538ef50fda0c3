/** Shortcuts. A part that is mounted adds rows; of several rows for one key the last one counts, so
 *  a view hides what the shell has. Dead in fields, and below `data-keys="off"` (terminals). */
import { signal } from "@preact/signals";
import { useContext, useEffect, useRef } from "preact/hooks";

import { focused } from "../router/router.ts";
import { SeatContext, type Seat } from "../router/seat.ts";

export interface KeyRow {
  /** `j`, `?`, `Escape`, `Enter`, `g h` (one after the other), `ctrl+k` (or ⌘), `ctrl+Enter`. */
  key: string;
  /** For the list of shortcuts; a row without it is not shown there. */
  about?: string;
  /** Also in fields. */
  always?: boolean;
  run(event: KeyboardEvent): void;
}

/** Those of a pane count while that has the focus. */
interface Layer { seat: Seat | null; rows: readonly KeyRow[] }
const layers = signal<readonly Layer[]>([]);
const NAME = "drover.keys";
const SEQUENCE_MS = 1500;

function stored(): boolean {
  try {
    return localStorage.getItem(NAME) !== "off";
  } catch {
    return true;
  }
}

/** Whether keys without Ctrl do anything (WCAG 2.1.4). */
export const singleKeys = signal(stored());

export function singleKeysSet(on: boolean): void {
  singleKeys.value = on;
  try {
    localStorage.setItem(NAME, on ? "on" : "off");
  } catch {
    // Storage is switched off: the choice lives as long as the page.
  }
}

/** Every row that counts now, each key once. */
export function activeKeys(): KeyRow[] {
  const rows = new Map<string, KeyRow>();
  for (const { seat, rows: some } of layers.value) {
    if (seat === null || seat === focused.value) for (const row of some) rows.set(row.key, row);
  }
  return [...rows.values()];
}

/** As long as the component is mounted. The rows may differ with each drawing. */
export function useKeys(rows: KeyRow[]): void {
  const current = useRef(rows);
  const seat = useContext(SeatContext);
  current.current = rows;
  const names = rows.map(({ key, about }) => `${key}\n${about ?? ""}`).join("\n\n");
  useEffect(() => {
    const layer = { seat, rows: current.current.map((row, at) =>
      ({ ...row, run: (event: KeyboardEvent) => current.current[at]?.run(event) })) };
    layers.value = [...layers.value, layer];
    return () => void (layers.value = layers.value.filter((one) => one !== layer));
  }, [names]);
}

/** A dialog hides what the shortcuts of the page behind it would do. */
const FIELDS = "input, textarea, select, [contenteditable], dialog";
let first = ""; // Of a sequence, and when it was pressed.
let first_ms = 0;

export function nameOf(event: KeyboardEvent): string {
  const held = event.ctrlKey || event.metaKey ? "ctrl+" : "";
  return held + (event.key.length === 1 && held !== "" ? event.key.toLowerCase() : event.key);
}

addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing || event.altKey) return;
  const target = event.target instanceof Element ? event.target : null;
  if (target?.closest('[data-keys="off"]')) return;
  const name = nameOf(event);
  const inField = target?.closest(FIELDS) !== null && target !== null;
  const rows = activeKeys();
  const isSecond = first !== "" && event.timeStamp - first_ms < SEQUENCE_MS;
  const sequence = isSecond ? `${first} ${name}` : "";
  const row = rows.find(({ key }) => key === sequence) ?? rows.find(({ key }) => key === name);
  const isSingle = !name.startsWith("ctrl+") && name.length === 1;
  first = "";
  if ((inField && !row?.always) || (isSingle && !singleKeys.value)) return;
  // Enter and the space bar belong to the button or link that has the focus.
  if ((name === "Enter" || name === " ") && target?.closest("a, button, summary")) return;
  if (row === undefined) {
    if (!rows.some(({ key }) => key.startsWith(`${name} `))) return;
    [first, first_ms] = [name, event.timeStamp];
    return;
  }
  event.preventDefault();
  row.run(event);
});
