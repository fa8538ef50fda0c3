/** All of a question's text, as it is read before a yes: the change of a file as a diff. */
import type { Ask } from "../api/types.ts";
import { Diff } from "../diff/index.ts";
import { Reading, Unread } from "../parts/reading.tsx";
import { bodyOf, diffOf, headline, isCut, textOf } from "./text.ts";

export function Shown({ ask, head = true }: { ask: Ask; head?: boolean }) {
  const diff = diffOf(ask), isCall = ask.kind === "leave";
  return (
    <Reading of={textOf(ask)} scrolls>
      {isCut(ask) ? <Unread /> : null}
      {diff === "" ? (
        <pre dir="auto" class={isCall ? "shown" : "shown prose"}>{bodyOf(ask)}</pre>
      ) : (
        <>
          {head ? <p class="mono all-of-it" dir="auto">{headline(ask)}</p> : null}
          <Diff patch={diff} />
        </>
      )}
    </Reading>
  );
}
