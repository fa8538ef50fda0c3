/** Before several questions are answered at once: which, and how many. What comes meanwhile is not
 *  among them. */
import { useEffect, useId, useRef } from "preact/hooks";

import type { Ask } from "../api/types.ts";
import { GRACE_MS } from "../ask/grace.ts";
import { bodyOf, origin, textOf } from "../ask/text.ts";
import { Reading } from "../parts/reading.tsx";
import { yesTo } from "../parts/reading.ts";
import { visible } from "../parts/visible.ts";
import { connected } from "../state/asks.ts";
import { words } from "./words.ts";

export interface Confirming { decision: "allow" | "deny"; asks: Ask[] }

interface ConfirmProps extends Confirming { answer(yes: boolean): void }

export function Confirm({ decision, asks, answer }: ConfirmProps) {
  const id = useId(), dialog = useRef<HTMLDialogElement>(null);
  const since = useRef(performance.now());
  useEffect(() => dialog.current?.showModal(), []);
  const count = asks.length, isYes = decision === "allow";
  const text = asks.map(textOf).join(" ");
  const confirm = (event: Event): void => {
    if (event.timeStamp - since.current < GRACE_MS) return;
    if (!isYes || yesTo(text)) answer(true);
  };
  return (
    <dialog ref={dialog} class="confirm" aria-labelledby={id} data-keys="off"
      onClose={() => answer(false)}>
      <h2 id={id}>{isYes ? words.allowQuestion(count) : words.denyQuestion(count)}</h2>
      <p class="muted">{words.confirmAbout}</p>
      <Reading of={text} scrolls>
        <ol aria-labelledby={id}>
          {asks.map((ask) => (
            <li key={ask.id}>
              <span class="mono" dir="auto">{visible(ask.step)}</span>{" "}
              <span class="muted small" dir="auto">{origin(ask)}</span>
              <pre dir="auto">{bodyOf(ask)}</pre>
            </li>
          ))}
        </ol>
      </Reading>
      <div class="buttons ends">
        <button onClick={() => answer(false)}>{words.cancel}</button>
        <button class="main" autoFocus disabled={!connected.value} onClick={confirm}>
          {isYes ? words.allow(count) : words.deny(count)}
        </button>
      </div>
    </dialog>
  );
}
