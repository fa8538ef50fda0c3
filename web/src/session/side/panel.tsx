/** The column beside a conversation, or a sheet over it on a phone: turns, what is in the
 *  background, and search. `?panel=` says which, and `none` that it is closed. */
import { X } from "lucide-preact";
import { useEffect, useId, useRef } from "preact/hooks";

import { focused, useNamed, useSeat, type Seat } from "../../router/router.ts";
import { useKeys } from "../../shell/keys.ts";
import { Background, backgroundOf } from "./background.tsx";
import { useList } from "./list.ts";
import { SearchPanel } from "./search.tsx";
import { isLive } from "./text.ts";
import { Timeline } from "./timeline.tsx";
import { words } from "./words.ts";

export type PanelName = "timeline" | "background" | "search";
const NAMES: PanelName[] = ["timeline", "background", "search"];
const CLOSED = "none";

/** Whether it covers the conversation, for want of room. */
export const isSheet = ({ width }: Seat): boolean => width.value < 1100;

/** What the address asks for; without a word there is a column where it has room. */
export function panelNow(seat: Seat): PanelName | null {
  const asked = seat.query.value.get("panel");
  return NAMES.find((name) => name === asked)
    ?? (asked === CLOSED || isSheet(seat) ? null : "timeline");
}

const panelSet = (seat: Seat, name: PanelName | null): void =>
  seat.setQuery("panel", name ?? CLOSED);

/** What `t` does. */
export const panelToggle = (seat: Seat): void =>
  panelSet(seat, panelNow(seat) === null ? "timeline" : null);

interface PanelProps { session: string; onGo(message: string): void }

/** A click on the tab wants to type; who walks along the tabs by arrows stays there. */
const focusField = (column: HTMLElement | null): void =>
  column?.querySelector<HTMLElement>("input[type=search]")?.focus();

export function Panel({ session, onGo }: PanelProps) {
  const seat = useSeat(), named = useNamed(), id = useId(), panel = panelNow(seat);
  const list = useList(session, () => backgroundOf(session));
  const tabs = useRef<HTMLDivElement>(null), column = useRef<HTMLElement>(null);
  const open = panel !== null, sheet = isSheet(seat), was = useRef(open);
  useEffect(() => {
    const opens = open && !was.current; // By somebody: a sheet may also come with the address.
    was.current = open;
    if (opens && sheet && panel !== "search" && focused.peek() === seat) {
      tabs.current?.querySelector<HTMLElement>("[aria-selected=true]")?.focus();
    }
  }, [open]);
  useKeys(open && sheet ? [{ key: "Escape", always: true, run: () => panelSet(seat, null) }] : []);
  if (panel === null) return null;
  const goes = (message: string) => {
    if (sheet) panelSet(seat, null); // The message is under it.
    onGo(message);
  };
  const running = list.rows.value.items.filter(isLive).length;
  const move = (event: KeyboardEvent) => {
    const by = { ArrowRight: 1, ArrowLeft: NAMES.length - 1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    const to = (NAMES.indexOf(panel) + by) % NAMES.length;
    panelSet(seat, NAMES[to] ?? null);
    tabs.current?.querySelectorAll<HTMLElement>("[role=tab]")[to]?.focus();
  };
  return (
    <aside class="side" ref={column} aria-label={named(words.beside)}>
      <div class="side-head">
        <div role="tablist" aria-label={words.beside} ref={tabs} onKeyDown={move}>
          {NAMES.map((name) => (
            <button key={name} role="tab" id={`${id}-${name}`} aria-selected={name === panel}
              aria-controls={id} tabIndex={name === panel ? 0 : -1}
              onClick={() => {
                panelSet(seat, name);
                if (name === "search") requestAnimationFrame(() => focusField(column.current));
              }}>
              {words.panels[name]}
              {name === "background" && running > 0
                ? <b class="side-badge" aria-label={words.running(running)}>{running}</b> : null}
            </button>
          ))}
        </div>
        <button class="quiet" aria-label={words.close} onClick={() => panelSet(seat, null)}>
          <X size={14} aria-hidden="true" />
        </button>
      </div>
      <div role="tabpanel" id={id} aria-labelledby={`${id}-${panel}`} class="side-body">
        {panel === "timeline" ? <Timeline session={session} onGo={goes} />
          : panel === "background" ? <Background session={session} list={list} />
            : <SearchPanel session={session} onGo={goes} />}
      </div>
    </aside>
  );
}
