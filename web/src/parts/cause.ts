/** Why something ended, in words. Pure. */

interface Ended { cause: string | null; about?: string | null; exit_code?: number | null }

/** A code whose sentence is not at hand. */
export const causeText = (cause: string | null | undefined): string =>
  (cause == null || cause === "completed" ? "" : cause.replaceAll("_", " "));

/** undefined: it did what it was asked. */
export function whyOf({ cause, about, exit_code: code }: Ended): string | undefined {
  if (cause === "exit_code" && code != null) return `exit ${code}`;
  const text = cause === "completed" || !about ? causeText(cause)
    : about.slice(0, 1).toLowerCase() + about.slice(1);
  return text === "" ? undefined : text;
}
