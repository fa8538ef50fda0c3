/** The column beside a conversation, or a sheet over it on a phone: turns, what is in the
 *  background, and search. `?panel=` says which, and `none` that it is closed. */
import { signal } from "@preact/signals";
import { X } from "lucide-preact";
import { useEffect, useRef } from "preact/hooks";

import { query, setQuery } from "../../router/router.ts";
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

const narrowQuery = matchMedia("(max-width: 1099px)");
const narrow = signal(narrowQuery.matches);
narrowQuery.addEventListener("change", () => (narrow.value = narrowQuery.matches));

/** What the address asks for; without a word there is a column where it has room. */
export function panelNow(): PanelName | null {
  const asked = query.value.get("panel");
  return NAMES.find((name) => name === asked)
    ?? (asked === CLOSED || narrow.value ? null : "timeline");
}

export const panelSet = (name: PanelName | null): void => setQuery("panel", name ?? CLOSED);

/** What `t` does. */
export const panelToggle = (): void => panelSet(panelNow() === null ? "timeline" : null);

interface PanelProps { session: string; onGo(message: string): void; panel?: PanelName | null }

/** A click on the tab wants to type; who walks along the tabs by arrows stays there. */
const focusField = (column: HTMLElement | null): void =>
  column?.querySelector<HTMLElement>("input[type=search]")?.focus();

export function Panel({ session, onGo, panel = panelNow() }: PanelProps) {
  const list = useList(session, () => backgroundOf(session));
  const tabs = useRef<HTMLDivElement>(null), column = useRef<HTMLElement>(null);
  const open = panel !== null, sheet = narrow.value;
  useEffect(() => {
    if (open && sheet && panel !== "search") {
      tabs.current?.querySelector<HTMLElement>("[aria-selected=true]")?.focus();
    }
  }, [open, sheet]);
  useKeys(open && sheet ? [{ key: "Escape", always: true, run: () => panelSet(null) }] : []);
  if (panel === null) return null;
  const goes = (message: string) => {
    if (sheet) panelSet(null); // The message is under it.
    onGo(message);
  };
  const running = list.rows.value.items.filter(isLive).length;
  const move = (event: KeyboardEvent) => {
    const by = { ArrowRight: 1, ArrowLeft: NAMES.length - 1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    const to = (NAMES.indexOf(panel) + by) % NAMES.length;
    panelSet(NAMES[to] ?? null);
    tabs.current?.querySelectorAll<HTMLElement>("[role=tab]")[to]?.focus();
  };
  return (
    <aside class="side" ref={column} aria-label={words.beside}>
      <div class="side-head">
        <div role="tablist" aria-label={words.beside} ref={tabs} onKeyDown={move}>
          {NAMES.map((name) => (
            <button key={name} role="tab" id={`side-${name}`} aria-selected={name === panel}
              aria-controls="side-panel" tabIndex={name === panel ? 0 : -1}
              onClick={() => {
                panelSet(name);
                if (name === "search") requestAnimationFrame(() => focusField(column.current));
              }}>
              {words.panels[name]}
              {name === "background" && running > 0
                ? <b class="side-badge" aria-label={words.running(running)}>{running}</b> : null}
            </button>
          ))}
        </div>
        <button class="quiet" aria-label={words.close} onClick={() => panelSet(null)}>
          <X size={14} aria-hidden="true" />
        </button>
      </div>
      <div role="tabpanel" id="side-panel" aria-labelledby={`side-${panel}`} class="side-body">
        {panel === "timeline" ? <Timeline session={session} onGo={goes} />
          : panel === "background" ? <Background session={session} list={list} />
            : <SearchPanel session={session} onGo={goes} />}
      </div>
    </aside>
  );
}
