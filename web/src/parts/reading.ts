/** A yes is for what was read: Allow, Accept and an option act once the whole text was in view (its
 *  end was on the screen, or it stood there unfolded). Before that a press unfolds it. This is the
 *  one place of that rule; `reading.tsx` draws such a text. A no never needs it. */
import { signal } from "@preact/signals";

export interface Texts {
  /** Names of texts that were in view as a whole. A text that changes gets another name. */
  seen: ReadonlySet<string>;
  /** Names of those that a press unfolded. */
  unfolded: ReadonlySet<string>;
}

export type TextsNews = { kind: "seen" | "pressed"; text: string };

/** A page that is never left forgets the oldest: they are read once more. */
export const TEXTS_MAX = 1_000;

export const textsEmpty: Texts = { seen: new Set(), unfolded: new Set() };

export interface Sight {
  /** Something of the text is not drawn: it is behind a button, or still loading. */
  hidden: boolean;
  /** The end of the text is on the screen. */
  end: boolean;
  /** The text was unfolded by a press, and stood there long enough to be looked at. */
  unfolded: boolean;
}

/** Pure: whether this is the whole text in view. */
export const isWhole = ({ hidden, end, unfolded }: Sight): boolean =>
  !hidden && (end || unfolded);

function added(set: ReadonlySet<string>, text: string): ReadonlySet<string> {
  return set.has(text) ? set : new Set([...set, text].slice(-TEXTS_MAX));
}

/** Pure: what is known of texts after this. */
export function textsAfter(texts: Texts, { kind, text }: TextsNews): Texts {
  return kind === "seen" ? { ...texts, seen: added(texts.seen, text) }
    : texts.seen.has(text) ? texts : { ...texts, unfolded: added(texts.unfolded, text) };
}

/** Pure: whether a press that says yes to the text acts. */
export const acts = ({ seen }: Texts, text: string): boolean => seen.has(text);

export const texts = signal(textsEmpty);

export function textSeen(text: string): void {
  texts.value = textsAfter(texts.value, { kind: "seen", text });
}

/** A press that says yes to the text. False: it does not act, and the text is unfolded. */
export function yesTo(text: string): boolean {
  texts.value = textsAfter(texts.value, { kind: "pressed", text });
  return acts(texts.value, text);
}
