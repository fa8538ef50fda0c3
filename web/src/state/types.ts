/** Shapes of the API that the pages read (docs/api.md). */
export interface Held {
  id: string; run: string; receiver: string; cause: string | null; made_ms: number;
  /** In the list of the inbox, and not in the overview. */
  address?: string; failures?: number;
}
export interface Blocked {
  id: string; kind: string; label: string | null; about: string | null; made_ms: number;
}
export interface Ended {
  id: string; kind: string; label: string | null; state: string; cause: string | null;
  ended_ms: number; seq: number;
}
export interface UnseenSession {
  id: string; title: string | null; status: string; changed_ms: number; seq: number;
}
export interface Today {
  calls: number; output: number; tokens: number; cost_micros: number; cost_unknown: number;
  reserved_tokens: number; reserved_cost_micros: number;
}
export interface Overview {
  runs: Record<string, Record<string, number>>;
  approvals: Record<string, number>;
  waiting: { deliveries: Held[]; blocked: Blocked[] };
  unseen: { runs: Record<string, number>; ended: Ended[]; sessions: UnseenSession[] };
  today: Today;
}
export interface Progress {
  done: number; total: number; cached?: number; waiting: number; failed: number; last_ms?: number;
}
export interface Run {
  id: string; kind: string; state: string; gate: string | null; parent: string | null;
  label: string | null; command?: string; made_ms: number; started_ms: number | null;
  ended_ms?: number | null; session?: string | null; stream?: string; cost_micros?: number | null;
  progress?: Progress;
}
export interface Page<T> { items: T[]; next: string | null }
