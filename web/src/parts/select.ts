/** One row of a list is selected: by the focus, by j and k, or by a click. */
import { useRef, useState } from "preact/hooks";

import { useSeat } from "../router/router.ts";

export interface Selection {
  /** null: none is. */
  id: string | null;
  /** By the user, since the component was mounted. */
  moved: boolean;
  /** Selects that row and gives it the focus. */
  to(id: string | undefined): void;
  /** For the element around the rows (`data-row`). */
  onFocusIn(event: FocusEvent): void;
  step(by: 1 | -1): void;
}

/** `ids` in the order in which they stand; `first` is selected at the beginning, if it is there. */
export function useSelection(ids: readonly string[], first?: string): Selection {
  const [id, idSet] = useState<string | null>(first ?? null);
  const moved = useRef(false);
  const seat = useSeat();
  const place = useRef(-1); // Of a row that has left, its place counts.
  const at = id === null ? -1 : ids.indexOf(id);
  if (at >= 0) place.current = at;
  const to = (wanted: string | undefined): void => {
    if (wanted === undefined) return;
    idSet(wanted);
    moved.current = true;
    const row = seat.box?.querySelector(`[data-row="${CSS.escape(wanted)}"]`);
    if (row instanceof HTMLElement) row.focus();
  };
  return {
    id: at < 0 ? null : id,
    moved: moved.current,
    to,
    onFocusIn: (event) => {
      const row = event.target instanceof Element ? event.target.closest("[data-row]") : null;
      if (!(row instanceof HTMLElement)) return;
      moved.current = true;
      idSet(row.dataset.row ?? null);
    },
    step: (by) => {
      const from = at >= 0 || by < 0 ? place.current : place.current - 1;
      to(ids[Math.min(ids.length - 1, Math.max(0, from + by))]);
    },
  };
}
