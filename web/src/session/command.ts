/** `/NAME words` in the composer: the flow of that name, with the words as its question. A line
 *  that names none is a message like any other. Pure. */

/** null: it is none. */
export function commandOf(text: string): { name: string; question: string } | null {
  const found = /^\/([A-Za-z0-9][\w.-]*)(?:\s+([\s\S]*))?$/.exec(text.trim());
  return found === null ? null : { name: found[1] ?? "", question: (found[2] ?? "").trim() };
}

/** The part of a name that was typed so far; null: no name is being typed. */
export const nameBegun = (text: string): string | null => /^\/([\w.-]*)$/.exec(text)?.[1] ?? null;
