/** Below the head of a run that has ended: equal failures once, each with what can be done. */
import { useState } from "preact/hooks";

import { causeText } from "../parts/cause.ts";
import { visible } from "../parts/visible.ts";
import { useSeat } from "../router/router.ts";
import { isPlace } from "../shell/places.ts";
import { may } from "../state/me.ts";
import { Again } from "./again.tsx";
import { failuresOf } from "./alike.ts";
import { inspect, useOpened } from "./view.ts";
import { words } from "./words.ts";

const SHOWN = 3;

export function Failures() {
  const { state, at } = useOpened(), seat = useSeat(), [again, againSet] = useState(false);
  if (state.value.end === null || at.value !== null) return null;
  const list = failuresOf(state.value.agents.values()).slice(0, SHOWN);
  if (list.length === 0) return null;
  return (
    <ul class="run-failures">
      {list.map(({ cause, note, count, first }) => (
        <li key={`${cause} ${note}`}>
          <span class="tone-fail" aria-hidden="true">✕ </span>
          <button class="bare" onClick={() => inspect(seat, first.id)}>
            {words.failedAlike(count)}
          </button>{" "}
          <span class="wrap" dir="auto">{visible(note === "" ? causeText(cause) : note)}</span>
          {cause === "budget" && isPlace("/usage")
            ? <a class="button quiet" href="/usage">{words.raise}</a> : null}
        </li>
      ))}
      {may("run") ? (
        <li><button onClick={() => againSet(true)}>{words.runRest}</button></li>
      ) : null}
      {again ? <Again onClose={() => againSet(false)} /> : null}
    </ul>
  );
}
