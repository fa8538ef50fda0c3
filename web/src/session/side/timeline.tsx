/** The turns of a session, the newest first. `?turn=` is the one that was gone to. */
import { useRef, useState } from "preact/hooks";

import type { TimelineTurn } from "../../api/types.ts";
import { Loading } from "../../parts/loading.tsx";
import { useSeat } from "../../router/router.ts";
import { useKeys } from "../../shell/keys.ts";
import { Trouble } from "../../parts/trouble.tsx";
import { Forks } from "./forks.tsx";
import { listOf, useList } from "./list.ts";
import { useStay } from "./stay.ts";
import { TurnRow } from "./turn.tsx";
import { words } from "./words.ts";

const AWAY_PX = 60;

export function Timeline({ session, onGo }: { session: string; onGo(message: string): void }) {
  const { query, setQuery } = useSeat();
  const list = useList(session, () =>
    listOf<TimelineTurn>(session, `/sessions/${session}/timeline`, ({ run }) => run));
  const { items, next, ready, problem } = list.rows.value;
  const box = useRef<HTMLDivElement>(null);
  const [away, awaySet] = useState(false);
  const selected = Number(query.value.get("turn") ?? "0");
  useStay(box);
  const toTurn = (turn: TimelineTurn | undefined) => {
    const message = turn?.answer ?? turn?.question;
    if (turn === undefined || message == null) return;
    setQuery("turn", String(turn.number));
    onGo(message);
    const row = box.current?.querySelector(`[data-turn="${turn.number}"]`);
    row?.scrollIntoView({ block: "nearest" });
  };
  const move = (by: number) => {
    const shown = items.filter(({ answer, question }) => answer !== null || question !== null);
    const at = shown.findIndex(({ number }) => number === selected);
    toTurn(shown[at < 0 ? 0 : Math.min(Math.max(at + by, 0), shown.length - 1)]);
  };
  useKeys([
    { name: "earlier", run: () => move(1) },
    { name: "later", run: () => move(-1) },
  ]);
  if (!ready && problem === null) return <Loading />;
  return (
    <div class="side-scroll" ref={box}
      onScroll={(event) => awaySet(event.currentTarget.scrollTop > AWAY_PX)}>
      <Trouble problem={problem} retry={list.again} />
      <Forks session={session} />
      {ready && items.length === 0 ? <p class="none">{words.noTurns}</p> : null}
      <ol class="side-rows" reversed>
        {items.map((turn, at) => (
          <TurnRow key={turn.run} turn={turn} session={session} latest={at === 0}
            selected={turn.number === selected} onSelect={() => toTurn(turn)} />
        ))}
      </ol>
      {next === null ? null : (
        <button class="quiet side-more" onClick={() => void list.more()}>{words.more}</button>
      )}
      {!away ? null : (
        <button class="side-latest" onClick={() => box.current?.scrollTo({ top: 0 })}>
          {words.toLatest}
        </button>
      )}
    </div>
  );
}
