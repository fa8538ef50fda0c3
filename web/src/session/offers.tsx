/** What the composer offers for the word at the caret: commands, flows and workflows after `/`,
 *  models after `/model`, files of the root after `@`; and how a command goes on. The focus stays
 *  in the text, whose keys move through the list. */
import { useSignal } from "@preact/signals";
import { useEffect, useId, useRef } from "preact/hooks";

import { get } from "../api/api.ts";
import type { Session, SessionFiles } from "../api/types.ts";
import { beginning, visible } from "../parts/visible.ts";
import { useNamed, useSeat } from "../router/router.ts";
import { useItems } from "../state/read.ts";
import { begunAt, chosenIn, commandOf, fits, usageOf, type Begun } from "./command.ts";
import { offersOf, type Offer } from "./flows.ts";
import { orderOffers } from "./orders.ts";
import { programOf } from "./text.ts";
import { words } from "./words.ts";

/** Rows that are drawn, in a narrow pane and in another: the window moves with the chosen one. */
const SHOWN_NARROW = 5, SHOWN = 8, NARROW_PX = 700;
const FOUND_MAX = 20, ABOUT_MAX = 200, USAGE_MAX = 400;

interface Row { choice: string; about: string }

/** Read anew whenever a command is begun. */
function useStarts(root: string | null, isDue: boolean): Offer[] {
  const offers = useSignal<Offer[]>([]);
  useEffect(() => {
    if (isDue) void offersOf(root).then((found) => void (offers.value = found));
  }, [isDue, root]);
  return [...orderOffers, ...offers.value];
}

/** One request at a time: a large tree is not walked for every letter. What was found for earlier
 *  letters is shown meanwhile, as far as it fits. */
function useFiles(session: string, typed: string | null): string[] {
  const found = useSignal<{ of: string | null; files: string[] }>({ of: null, files: [] });
  const wanted = useRef(typed), busy = useRef(false);
  wanted.current = typed;
  useEffect(() => {
    const read = async (): Promise<void> => {
      for (let q; !busy.current && (q = wanted.current) !== null && q !== found.value.of;) {
        busy.current = true;
        const query = new URLSearchParams({ q, limit: String(FOUND_MAX) });
        const answer = await get<SessionFiles>(`/sessions/${session}/files?${query}`);
        busy.current = false;
        found.value = { of: q, files: answer.ok ? answer.value.files : [] };
      }
    };
    if (typed === null) found.value = { of: null, files: [] };
    else void read();
  }, [typed]);
  return typed === null ? [] : found.value.files.filter((path) => fits(typed, path));
}

function usageText({ kind, description, args }: Offer): string {
  if (kind === "order") return description;
  if (kind === "flow") return words.usageFlow;
  const usage = usageOf(args);
  if (usage === null) return words.usageText;
  const required = usage.filter((one) => !one.startsWith("["));
  return usage.length === 0 ? words.usageNone : `${usage.join(" ")}${required.length !== 1 ? ""
    : ` ${words.usageOnly(required[0]?.split("=")[0] ?? "")}`}`;
}

interface OffersWish {
  session: Session | null;
  text: string;
  /** null: nothing is offered, as while a message is edited. */
  caret: number | null;
  write(text: string, caret: number): void;
}

/** `pressed`: whether the key was the list's. `field`: attributes of the text. */
export function useOffers({ session, text, caret, write }: OffersWish) {
  const id = useId(), named = useNamed();
  const shown = useSeat().width.value < NARROW_PX ? SHOWN_NARROW : SHOWN;
  const moved = useSignal({ of: "", at: 0 }), closed = useSignal("");
  const begun: Begun | null = caret === null ? null : begunAt(text, caret);
  const command = caret === null ? null : commandOf(text);
  const isOpen = begun !== null && closed.value !== `${begun.kind} ${begun.from}`;
  useEffect(() => {
    if (begun === null) closed.value = "";
  }, [begun === null]);
  const of = (kind: Begun["kind"]): string | null =>
    (isOpen && begun.kind === kind ? begun.typed : null);
  const starts = useStarts(session?.root ?? null, of("name") !== null || command !== null);
  const hasModel = session !== null && programOf(session) === null && of("model") !== null;
  const models = useItems<{ id: string }>(hasModel ? "/models?limit=200" : null);
  const files = useFiles(session?.id ?? "", session === null ? null : of("file"));

  const name = of("name"), model = of("model")?.toLowerCase();
  const rows: Row[] = name !== null ? starts.filter((one) => one.name.startsWith(name))
    .map((one) => ({ choice: `/${one.name}`, about: one.description }))
    : model !== undefined ? models.filter((one) => one.id.toLowerCase().includes(model))
      .map((one) => ({ choice: one.id, about: "" }))
      : files.map((choice) => ({ choice, about: "" }));
  const found = rows.slice(0, FOUND_MAX), key = isOpen ? `${begun.kind} ${begun.typed}` : "";
  const isMoved = moved.value.of === key;
  const at = Math.min(isMoved ? moved.value.at : 0, found.length - 1);
  const from = Math.max(0, Math.min(at - shown + 2, found.length - shown));
  const optionId = (row: number): string => `${id}-${row}`;

  const take = (row: Row | undefined): void => {
    if (row === undefined || begun === null) return;
    const next = chosenIn(text, begun, row.choice);
    write(next.text, next.caret);
  };
  const pressed = (event: KeyboardEvent): boolean => {
    if (found.length === 0 || begun === null) return false;
    if (event.shiftKey || event.altKey || event.ctrlKey || event.metaKey) return false;
    // What stands there whole already is an order, unless somebody went to another row.
    const whole = `${begun.kind === "name" ? "/" : ""}${begun.typed}`;
    const isWhole = begun.kind !== "file" && !isMoved &&
      found.some(({ choice }) => choice === whole);
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const step = event.key === "ArrowDown" ? 1 : found.length - 1;
      moved.value = { of: key, at: (at + step) % found.length };
    } else if (event.key === "Escape") closed.value = `${begun.kind} ${begun.from}`;
    else if (event.key === "Tab" || (event.key === "Enter" && !isWhole)) take(found[at]);
    else return false;
    event.preventDefault();
    return true;
  };
  const current = command === null || name !== null ? undefined
    : starts.find((one) => one.name === command.name);
  const list = found.length > 0 ? (
    <div class="queue offers">
      <ol id={id} role="listbox" aria-label={named(words.offers[begun?.kind ?? "name"])}>
        {found.slice(from, from + shown).map(({ choice, about }, n) => (
          <li key={choice} id={optionId(from + n)} class="option" role="option"
            aria-selected={from + n === at} onMouseDown={(event) => event.preventDefault()}
            onClick={() => take(found[from + n])}>
            <span class="mono clip" dir="auto">{visible(choice)}</span>
            {about === "" ? null : (
              <span class="muted clip" dir="auto">{visible(beginning(about, ABOUT_MAX))}</span>
            )}
          </li>
        ))}
      </ol>
    </div>
  ) : current === undefined ? null : (
    <p id={id} class="takes muted small" dir="auto">
      <span class="mono">/{current.name}</span> {visible(beginning(usageText(current), USAGE_MAX))}
    </p>
  );
  const field = found.length > 0 ? { "aria-autocomplete": "list" as const, "aria-controls": id,
    "aria-activedescendant": optionId(at) } : list === null ? {} : { "aria-describedby": id };
  return { pressed, list, field };
}
