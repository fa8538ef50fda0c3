/** Long text is drawn in part first: what is drawn at once has a limit, so that a page with a line
 *  of a megabyte still answers. */
import { useState } from "preact/hooks";

import { words } from "../words.ts";
import { Unread, useUnfolded } from "./reading.tsx";
import { beginning, visible } from "./visible.ts";

/** Most that is drawn of one text at first, in UTF-16 units. */
export const DRAWN_FIRST = 64 * 1024;
/** Each press of the button draws this many times as much. */
const GROWTH = 4;
/** Everything: no text of the API is that long. */
const ALL = GROWTH ** 8;

/** The factor by which the limit has grown, and what the button does. */
export function useGrowth(): [factor: number, grow: () => void] {
  const [factor, factorSet] = useState(1);
  const isAll = useUnfolded();
  return [isAll ? ALL : factor, () => factorSet((before) => before * GROWTH)];
}

export function ShowRest({ hidden, onMore }: { hidden: number | null; onMore: () => void }) {
  return (
    <>
      <Unread />
      <button class="quiet rest" onClick={onMore}>{words.showRest(hidden)}</button>
    </>
  );
}

/** Plain outside text as it is, its beginning first. */
export function Bounded({ text }: { text: string }) {
  const [factor, grow] = useGrowth();
  const shown = beginning(text, DRAWN_FIRST * factor);
  const hidden = text.length - shown.length;
  return (
    <>
      {visible(shown)}
      {hidden === 0 ? null : <>{" … "}<ShowRest hidden={hidden} onMore={grow} /></>}
    </>
  );
}
