/** The palette: a field, and a list of what answers it. The focus stays in the field; the list is
 *  moved through by arrows (APG: combobox with a listbox). */
import { useComputed, useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useId, useRef } from "preact/hooks";

import { Dialog, dialogEnd } from "../../parts/dialog.tsx";
import { visible } from "../../parts/visible.ts";
import { go, openBeside } from "../../router/router.ts";
import { Caps, isMac } from "../kbd.tsx";
import { keyOf, lives } from "../keys.ts";
import { words } from "../words.ts";
import { found, idEntry, ownEntries, type Entry } from "./entries.ts";

const WAIT_MS = 120; // Somebody is still typing.

interface PaletteProps {
  onClose(): void;
  /** What is chosen opens in a new pane. */
  beside?: boolean;
}

export const Beside = ({ onClose }: PaletteProps) => <Palette onClose={onClose} beside />;

export function Palette({ onClose, beside = false }: PaletteProps) {
  const query = useSignal("");
  const results = useSignal<{ of: string | null; entries: Entry[]; problem: string | null }>(
    { of: null, entries: [], problem: null });
  const chosen = useSignal<string | null>(null); // null: the first one.
  const said = useSignal<string | null>(null);
  const input = useRef<HTMLInputElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const base = useId();

  // What was found for another text is not an answer.
  const entries = useComputed(() => [
    ...idEntry(query.value), ...ownEntries(query.value).filter(({ stays }) => !(beside && stays)),
    ...(results.value.of === query.value ? results.value.entries : []),
  ]);
  useSignalEffect(() => {
    const of = query.value;
    let isWanted = true;
    const timer = setTimeout(() => {
      void found(of).then((answer) => isWanted && (results.value = { of, ...answer }));
    }, of === "" ? 0 : WAIT_MS);
    return () => {
      isWanted = false;
      clearTimeout(timer);
    };
  });

  const all = entries.value;
  const at = Math.max(0, all.findIndex(({ id }) => id === chosen.value));
  const selected = all[at];
  useEffect(() => {
    list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
  }, [selected?.id]);

  const run = async (entry: Entry, isBeside: boolean): Promise<void> => {
    // The focus goes back first; a place that is gone to takes it then.
    const end = (): void => void (input.current !== null && dialogEnd(input.current));
    const answer = entry.run((to) => {
      end();
      (beside || isBeside ? openBeside : go)(to);
    });
    if (answer !== undefined) said.value = (await answer) ?? null;
    if (said.value === null) end();
  };
  const keydown = (event: KeyboardEvent): void => {
    if (event.isComposing) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const step = event.key === "ArrowDown" ? 1 : all.length - 1;
      chosen.value = all[(at + step) % Math.max(1, all.length)]?.id ?? null;
    } else if (event.key === "Enter") {
      const held = event.ctrlKey || event.metaKey || event.altKey;
      if (selected !== undefined) void run(selected, held);
    } else return;
    event.preventDefault();
  };

  const title = beside ? words.besideFind : words.find;
  const isSearching = results.value.of !== query.value;
  const none = all.length === 0 && !isSearching ? words.noneFound : "";
  return (
    <Dialog label={title} name="palette" onClose={onClose}>
      <input ref={input} type="text" role="combobox" aria-expanded="true" autofocus
        aria-autocomplete="list" aria-controls={`${base}-list`} aria-label={title}
        aria-activedescendant={selected === undefined ? undefined : `${base}-${at}`}
        placeholder={words.findAbout} autocomplete="off" spellcheck={false} dir="auto"
        onInput={(event) => {
          query.value = event.currentTarget.value;
          chosen.value = null;
          said.value = null;
        }} onKeyDown={keydown} />
      <div ref={list} id={`${base}-list`} class="found" role="listbox" aria-label={title}>
        {all.map((entry, n) => (
          <div key={entry.id}>
            {entry.group === all[n - 1]?.group ? null
              : <h2 role="presentation">{words.groups[entry.group]}</h2>}
            <div role="option" id={`${base}-${n}`} class="row option" aria-selected={n === at}
              onPointerMove={() => (chosen.value = entry.id)}
              onClick={({ ctrlKey, metaKey, altKey }) =>
                void run(entry, ctrlKey || metaKey || altKey)}>
              <span class="clip" dir={entry.given ? "auto" : undefined}>{visible(entry.name)}</span>
              <span class="muted num">
                {entry.about}
                {entry.keys === undefined || !lives(keyOf(entry.keys)) ? null
                  : <Caps of={keyOf(entry.keys)} />}
              </span>
            </div>
          </div>
        ))}
      </div>
      <p class="muted small" role="status">
        {said.value ?? results.value.problem ?? (none || words.results(all.length))}
        {beside || isMac ? null : <span class="how"> {words.besideHow}</span>}
      </p>
    </Dialog>
  );
}
