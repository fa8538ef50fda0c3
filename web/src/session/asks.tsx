/** Open questions of the session, and of what its turns began. The oldest one is shown whole, and
 *  answered by `a` and `d`. */
import { useComputed } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { AskCard } from "../ask/ask.tsx";
import { useAskKeys } from "../ask/keys.ts";
import { bodyOf, headline, isYesNo } from "../ask/text.ts";
import { Diff } from "../diff/index.ts";
import { Bounded } from "../parts/bounded.tsx";
import { useSeat } from "../router/router.ts";
import { capsText } from "../shell/kbd.tsx";
import { keyOf, lives } from "../shell/keys.ts";
import { isOpen, useAsks, type Ask } from "../state/asks.ts";
import { may } from "../state/me.ts";
import type { Opened } from "./open.ts";
import { words } from "./words.ts";

/** Nobody allows what they have not seen: a change as a diff, the rest as the daemon puts it. */
function Shown({ ask }: { ask: Ask }) {
  const diff = ask.about?.diff ?? "";
  if (diff !== "") return <Diff patch={diff} />;
  const body = bodyOf(ask);
  return body.includes("\n") || body !== headline(ask)
    ? <pre dir="auto"><Bounded text={body} /></pre> : null;
}

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
        <AskCard ask={first} compact={isYesNo(first)} />
        {isYesNo(first) ? <Shown ask={first} /> : null}
        {isYesNo(first) && may("approve") ? <Keys /> : null}
      </div>
      {others.map((ask) => <AskCard key={ask.id} ask={ask} compact />)}
    </div>
  );
}
