/** The first-run page: a connection, a model, a first message. */
import { useState } from "preact/hooks";

import { may, me } from "../state/me.ts";
import { settings } from "../state/system.ts";
import { ConnectionStep, type Chosen } from "./connection.tsx";
import { MessageStep } from "./message.tsx";
import { ModelStep } from "./model.tsx";
import { words } from "./words.ts";

export function Welcome() {
  const [chosen, chosenSet] = useState<Chosen | null>(null);
  const [picked, pickedSet] = useState<string | null>(null);
  const model = picked ?? settings.value?.model ?? null;
  if (me.value === null) return <div class="page"><h1>{words.connectModel}</h1></div>;
  return (
    <div class="page welcome">
      <h1>{words.connectModel}</h1>
      <p>{words.intro}</p>
      {model === null ? null
        : <p><span class="tone-ok" aria-hidden="true">✓ </span>{words.has(model)}</p>}
      {may("admin") ? (
        <>
          <ConnectionStep onWorks={(now) => {
            chosenSet(now);
            pickedSet(null);
          }} />
          {chosen === null ? null
            : <ModelStep key={chosen.name} chosen={chosen} onPick={pickedSet} />}
        </>
      ) : <><p>{words.noAdmin}</p><pre>{words.noAdminCommand}</pre></>}
      {model !== null && may("run") ? <MessageStep model={model}
        number={!may("admin") ? null : chosen === null ? 2 : 3} /> : null}
    </div>
  );
}
