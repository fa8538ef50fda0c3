/** Open questions of the session, and of what its turns began. The oldest one is shown whole, and
 *  answered by `a` and `d`. */
import { useComputed } from "@preact/signals";
import { useEffect } from "preact/hooks";

import type { Ask } from "../api/types.ts";
import { AskCard } from "../ask/ask.tsx";
import { useAskKeys } from "../ask/keys.ts";
import { Shown } from "../ask/shown.tsx";
import { diffOf, fitsRow, isYesNo } from "../ask/text.ts";
import { useSeat } from "../router/router.ts";
import { capsText } from "../shell/kbd.tsx";
import { keyOf, lives } from "../shell/keys.ts";
import { isOpen, useAsks } from "../state/asks.ts";
import { may } from "../state/me.ts";
import type { Opened } from "./open.ts";
import { words } from "./words.ts";

/** What does not fit its row stands below it, and a change as a diff. */
const isBelow = (ask: Ask): boolean => isYesNo(ask) && (diffOf(ask) !== "" || !fitsRow(ask));

function Keys() {
  const [allow, deny] = [keyOf("allow"), keyOf("deny")];
  return lives(allow) && lives(deny)
    ? <p class="keys">{words.askKeys(capsText(allow), capsText(deny))}</p> : null;
}

export function Asks({ opened }: { opened: Opened }) {
  const { items } = useAsks();
  const runs = useComputed(() => {
    const known = new Set<string>();
    for (const { run, parts } of opened.state.value.messages) {
      if (run !== null) known.add(run);
      for (const part of parts) if (part.run !== undefined) known.add(part.run);
    }
    return known;
  });
  const mine = items.filter((ask) => isOpen(ask) && (ask.session === opened.id ||
    runs.value.has(ask.run) || (ask.root_run !== null && runs.value.has(ask.root_run))));
  const [first, ...others] = mine, { waits } = useSeat();
  useEffect(() => {
    waits.value = mine.length;
    return () => void (waits.value = null);
  }, [mine.length]);
  useAskKeys(first ?? null);
  if (first === undefined) return null;
  return (
    <div class="asks">
      <div class="first-ask" key={first.id}>
        <AskCard ask={first} compact={isYesNo(first)} below={isBelow(first)} />
        {isBelow(first) ? <Shown ask={first} head={false} /> : null}
        {isYesNo(first) && may("approve") ? <Keys /> : null}
      </div>
      {others.map((ask) => <AskCard key={ask.id} ask={ask} compact />)}
    </div>
  );
}
