/** Shortcuts. A part that is mounted adds rows; of several rows for one key the last one counts, so
 *  a view hides what the shell has. Dead in fields, and below `data-keys="off"` (terminals). */
import { computed, signal } from "@preact/signals";
import { useContext, useLayoutEffect, useRef } from "preact/hooks";

import { focused } from "../router/router.ts";
import { SeatContext, type Seat } from "../router/seat.ts";

import { boundRead, boundWith, keyIn, type Bound } from "./bindings.ts";
import { SHORTCUTS, type Name } from "./shortcuts.ts";
import { words } from "./words.ts";

interface RowBase {
  /** Also in fields, unless it is a key that writes. */
  always?: boolean;
  /** An order: a key that is held gives it once. */
  once?: boolean;
  run(event: KeyboardEvent): void;
}
/** A row of the table of shortcuts, whose key the user may have changed; or a key that stays what
 *  it is, shown in the list of shortcuts if it has a text. */
export type KeyRow = RowBase & ({ name: Name } | { key: string; about?: string });
interface ActiveRow extends RowBase { key: string; name?: Name; about?: string | undefined }

/** Those of a pane count while that has the focus. */
interface Layer { seat: Seat | null; rows: readonly KeyRow[] }
const layers = signal<readonly Layer[]>([]);
const SINGLE = "drover.keys", BOUND = "drover.shortcuts";
const SEQUENCE_MS = 1500;

function stored(name: string): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

function store(name: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(name);
    else localStorage.setItem(name, value);
  } catch {
    // Storage is switched off: the choice lives as long as the page.
  }
}

const single = signal(stored(SINGLE)), chosen = signal(stored(BOUND));

/** Another tab has changed them, or all that is stored went. */
addEventListener("storage", ({ key }) => {
  if (key === SINGLE || key === null) single.value = stored(SINGLE);
  if (key === BOUND || key === null) chosen.value = stored(BOUND);
});

/** Whether keys without Ctrl do anything (WCAG 2.1.4). */
export const singleKeys = computed(() => single.value !== "off");

export function singleKeysSet(on: boolean): void {
  single.value = on ? "on" : "off";
  store(SINGLE, single.value);
}

export const bound = computed(() => boundRead(chosen.value, SHORTCUTS));

export function boundSet(value: Bound): void {
  chosen.value = Object.keys(value).length === 0 ? null : JSON.stringify(value);
  store(BOUND, chosen.value);
}

/** null: the key of the table. */
export const bind = (name: Name, key: string | null): void =>
  boundSet(boundWith(SHORTCUTS, bound.value, name, key));

/** The key that a shortcut has now. */
export const keyOf = (name: Name): string => keyIn(SHORTCUTS, bound.value, name);

const isSingle = (key: string): boolean => !key.startsWith("ctrl+") && key.length === 1;
/** Also Enter, arrows and the like, which a shortcut may have. */
const writes = (key: string): boolean => !/^(ctrl\+|Escape$|F\d)/.test(key);
/** They are down while another key is pressed, and end no sequence. */
export const HELD = ["Shift", "Control", "Alt", "AltGraph", "Meta", "CapsLock", "Fn", "NumLock"];
/** Whether it does anything; a sequence begins with a single key. */
export const lives = (key: string): boolean =>
  singleKeys.value || !isSingle(key.split(" ")[0] || key);

/** Every row that counts now, each key once. */
export function activeKeys(): ActiveRow[] {
  const rows = new Map<string, ActiveRow>();
  const counts = ({ seat }: Layer): boolean => seat === null || seat === focused.value;
  for (const row of layers.value.filter(counts).flatMap((layer) => layer.rows)) {
    const key = "name" in row ? keyOf(row.name) : row.key;
    const about = "name" in row ? words.keys[row.name] : row.about;
    rows.set(key, { ...row, key, about });
  }
  return [...rows.values()];
}

/** As long as the component is mounted. The rows may differ with each drawing. */
export function useKeys(rows: KeyRow[]): void {
  const current = useRef(rows);
  const seat = useContext(SeatContext);
  current.current = rows;
  const names = rows.map((row) =>
    ("name" in row ? row.name : `${row.key}\n${row.about ?? ""}`)).join("\n\n");
  useLayoutEffect(() => { // What is shown is heard.
    const layer = { seat, rows: current.current.map((row, at) =>
      ({ ...row, run: (event: KeyboardEvent) => current.current[at]?.run(event) })) };
    layers.value = [...layers.value, layer];
    return () => void (layers.value = layers.value.filter((one) => one !== layer));
  }, [names]);
}

/** An empty box beside a question lets the keys of its answer pass (data-keys="answer"). */
function passesOn(target: Element | null, row: ActiveRow | undefined): boolean {
  return target instanceof HTMLTextAreaElement && target.value === "" &&
    target.dataset.keys === "answer" && (row?.name === "allow" || row?.name === "deny");
}

/** A dialog hides what the shortcuts of the page behind it would do. */
const FIELDS = "input, textarea, select, [contenteditable], dialog";
let first = ""; // Of a sequence, and when it was pressed.
let first_ms = 0;

export function nameOf(event: KeyboardEvent): string {
  const held = event.ctrlKey || event.metaKey ? "ctrl+" : "";
  return held + (event.key.length === 1 && held !== "" ? event.key.toLowerCase() : event.key);
}

/** In a field: whether this is the key of a shortcut, and none that writes. */
export const isPressed = (name: Name, event: KeyboardEvent): boolean =>
  nameOf(event) === keyOf(name) && !writes(keyOf(name));

addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing || event.altKey) return;
  if (HELD.includes(event.key)) return;
  const target = event.target instanceof Element ? event.target : null;
  if (target?.closest('[data-keys="off"]')) return;
  const name = nameOf(event);
  const inField = target?.closest(FIELDS) !== null && target !== null;
  const rows = activeKeys();
  const isSecond = first !== "" && event.timeStamp - first_ms < SEQUENCE_MS;
  const sequence = isSecond ? `${first} ${name}` : "";
  const row = rows.find(({ key }) => key === sequence) ?? rows.find(({ key }) => key === name);
  first = "";
  if (inField && !(row?.always && !writes(name)) && !passesOn(target, row)) return;
  if (!lives(name)) return;
  // Enter and the space bar belong to the button or link that has the focus.
  if ((name === "Enter" || name === " ") && target?.closest("a, button, summary")) return;
  if (row === undefined) {
    if (!rows.some(({ key }) => key.startsWith(`${name} `))) return;
    [first, first_ms] = [name, event.timeStamp];
    return;
  }
  event.preventDefault();
  if (!event.repeat || row.once !== true) row.run(event);
});
