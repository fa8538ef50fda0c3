/** `/NAME words` in the composer: a command, or the flow of that name with the words as its
 *  question. A line that begins otherwise, be it with a blank, is a message. Pure. */

/** null: it is none. */
export function commandOf(text: string): { name: string; question: string } | null {
  const found = /^\/([A-Za-z0-9][\w.-]*)(?:\s+([\s\S]*))?$/.exec(text.trimEnd());
  return found === null ? null : { name: found[1] ?? "", question: found[2] ?? "" };
}

/** The part of a name that was typed so far; null: no name is being typed. */
export const nameBegun = (text: string): string | null => /^\/([\w.-]*)$/.exec(text)?.[1] ?? null;
