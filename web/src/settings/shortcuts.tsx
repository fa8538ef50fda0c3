/** The keys of shortcuts, which this browser keeps: pressed in the button that shows them. */
import { useRef, useState } from "preact/hooks";

import { conflictOf, isBeginning, refusalOf } from "../shell/bindings.ts";
import { SingleKeys } from "../shell/help.tsx";
import { capsText } from "../shell/kbd.tsx";
import { bind, bound, boundSet, HELD, keyOf, nameOf } from "../shell/keys.ts";
import { NAMES, SHORTCUTS, type Name } from "../shell/shortcuts.ts";
import { words as shell } from "../shell/words.ts";
import { words } from "./words.ts";

/** Why a shortcut cannot have this key, in words. */
function wrongWith(name: Name, key: string): string | null {
  const refusal = refusalOf(key);
  if (refusal !== null) return words.refused[refusal](capsText(key));
  const other = conflictOf(SHORTCUTS, bound.value, name, key) as Name | null;
  return other === null ? null : words.taken(capsText(keyOf(other)), shell.keys[other]);
}

function Row({ name }: { name: Name }) {
  /** What was pressed of the new key; null: none is asked for. */
  const [asked, askedSet] = useState<string | null>(null);
  const [wrong, wrongSet] = useState<string | null>(null);
  const button = useRef<HTMLButtonElement>(null);
  const took = useRef(false); // The key that is down: it presses no button any more.
  const { where } = SHORTCUTS[name], about = shell.keys[name], key = keyOf(name);
  const ask = (pressed: string | null): void => {
    askedSet(pressed);
    wrongSet(null);
  };
  const pressed = (event: KeyboardEvent): void => {
    if (asked === null || HELD.includes(event.key) || event.key === "Tab") return;
    event.preventDefault();
    took.current = true;
    if (event.repeat || event.isComposing) return;
    if (event.key === "Escape") return ask(null);
    const one = `${event.altKey ? "alt+" : ""}${nameOf(event)}`;
    const all = asked === "" ? one : `${asked} ${one}`;
    if (asked === "" && isBeginning(SHORTCUTS, bound.value, name, one)) return ask(one);
    const why = wrongWith(name, all);
    ask(null);
    if (why === null) bind(name, all);
    else wrongSet(why);
  };
  const reset = (): void => {
    const why = wrongWith(name, SHORTCUTS[name].key);
    ask(null);
    if (why === null) bind(name, null);
    else wrongSet(why);
    button.current?.focus(); // The button that was pressed leaves.
  };
  return (
    <div class="row described shortcut" data-shortcut={name}>
      <span>{about}</span>
      <span class="what">
        <span class="muted">
          {where.length === 0 ? words.everywhere : where.map((one) => words.where[one]).join(", ")}
        </span>
        <span class="small tone-fail" role="status">{wrong}</span>
      </span>
      <span>
        {bound.value[name] === undefined ? null : (
          <button class="quiet" aria-label={words.resetOf(about)} onClick={reset}>
            {words.reset}
          </button>
        )}
        <button ref={button} aria-label={asked === null ? words.keyOf(about, capsText(key))
          : undefined} onKeyDown={pressed} onBlur={() => askedSet(null)} onClick={() => ask("")}
          onKeyUp={(event) => {
            if (took.current) event.preventDefault();
            took.current = false;
          }}>
          {asked === null ? <span class="mono">{capsText(key)}</span>
            : asked === "" ? words.pressKey : words.then(capsText(asked))}
        </button>
      </span>
    </div>
  );
}

export function Shortcuts() {
  const [said, saidSet] = useState("");
  return (
    <>
      <div class="head">
        <h2>{words.shortcuts}</h2>
        <button class="quiet end" onClick={() => {
          boundSet({});
          saidSet(words.allReset);
        }}>{words.resetAll}</button>
      </div>
      <SingleKeys />
      <p class="muted">{words.shortcutsHow}</p>
      <p role="status">{Object.keys(bound.value).length === 0 ? said : ""}</p>
      {NAMES.map((name) => <Row key={name} name={name} />)}
    </>
  );
}
