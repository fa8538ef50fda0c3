/** A mail as lists and events have it. Pure. */
import type { Mail as Row } from "../api/types.ts";

/** `session` null: a person reads it. `from_session` null: a person wrote it, or drover. No list
 *  has `text`. */
export interface Mail extends Row { text?: string }

export const waitsForPerson = ({ session, status }: Mail): boolean =>
  session === null && status === "pending";
