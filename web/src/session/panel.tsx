/** What stands beside a conversation: from 1100 px on always, below that as a sheet with an address
 *  of its own (`?panel=timeline`). */
import { useEffect, useRef } from "preact/hooks";

import { setQuery } from "../router/router.ts";
import { words } from "./words.ts";

export interface PanelProps {
  session: string;
  /** Shows that message. */
  onGo(message: string): void;
}

/** The parts in it. */
function Content(_: PanelProps) {
  return null;
}

export function Panel({ session, onGo, sheet }: PanelProps & { sheet: boolean }) {
  const close = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (sheet) close.current?.focus();
  }, [sheet]);
  return (
    <aside class={sheet ? "panel sheet" : "panel"} aria-label={words.timeline}>
      <button ref={close} class="close" onClick={() => setQuery("panel", null)}>
        {words.closePanel}
      </button>
      <Content session={session} onGo={onGo} />
    </aside>
  );
}
