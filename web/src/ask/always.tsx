/** A yes from now on: the rule that it writes, as a sentence, and how far it holds. */
import { useState } from "preact/hooks";

import type { Ask } from "../api/types.ts";
import { visible } from "../parts/visible.ts";
import type { Replying } from "./reply.ts";
import { isExact, isFolder, ruleOf } from "./text.ts";
import { words } from "./words.ts";

type Scope = "session" | "project";

/** A folder is granted to its session by any yes. */
const scopesOf = (ask: Ask): Scope[] =>
  [...(isFolder(ask) ? [] : ["session" as const]), ...(ask.project === null ? [] :
    ["project" as const])];

/** Whether there is a yes from now on. */
export const mayAlways = (ask: Ask): boolean =>
  ask.kind === "leave" && ask.session !== null && scopesOf(ask).length > 0;

interface AlwaysProps { ask: Ask; answering: Replying; close(): void }

export function Always({ ask, answering, close }: AlwaysProps) {
  const [first = "session"] = scopesOf(ask);
  const [scope, scopeSet] = useState<Scope>(first), [subject, subjectSet] = useState("");
  const names = { session: words.session, project: words.project(visible(ask.project ?? "")) };
  const send = (event: Event): void => {
    event.preventDefault();
    answering.reply(event, {
      decision: "allow", scope, ...(subject !== "" && { subject }),
    });
  };
  return (
    <form class="always" onSubmit={send}>
      <p class="rule" dir="auto">
        {words.allow} <code>{ruleOf(ask, subject)}</code> {words.inScope}{" "}
        {scopesOf(ask).length === 1 ? names[scope] : (
          <select aria-label={words.scope} value={scope}
            onChange={(event) => scopeSet(event.currentTarget.value as Scope)}>
            {scopesOf(ask).map((one) => <option key={one} value={one}>{names[one]}</option>)}
          </select>
        )}
      </p>
      {isFolder(ask) || isExact(ask) ? null : (
        <label class="field">
          <span>{words.subject}</span>
          <input type="text" class="mono" value={subject}
            placeholder={visible(ask.about?.subjects?.[0] ?? "test/**")}
            onInput={(event) => subjectSet(event.currentTarget.value)} />
        </label>
      )}
      <div class="acts">
        <button type="button" class="quiet" onClick={close}>{words.cancel}</button>
        <button class="main" disabled={answering.off}>{words.alwaysAllow}</button>
      </div>
    </form>
  );
}
