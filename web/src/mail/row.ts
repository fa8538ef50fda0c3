/** A mail as lists and events have it. Pure. */
export interface Mail {
  id: string; project: string | null; from: string; to: string; type: "request" | "inform";
  status: "pending" | "working" | "done" | "failed" | "retracted"; cause: string | null;
  in_reply_to: string | null; about: string | null; urgent?: boolean;
  /** null: a person reads it. */
  session: string | null;
  /** null: a person wrote it, or drover. */
  from_session: string | null;
  turn: string | null; attempts: number; made_ms: number; changed_ms: number; title: string;
  /** No list has it. */
  text?: string;
}

export const waitsForPerson = ({ session, status }: Mail): boolean =>
  session === null && status === "pending";
