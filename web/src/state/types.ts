/** Shapes of the API that the pages read (docs/api.md). */
export interface Ask {
  id: string; session: string | null; run: string; step: string; kind: string; asked_ms: number;
}
export interface Held {
  id: string; run: string; receiver: string; cause: string | null; made_ms: number;
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
  waiting: { approvals: Ask[]; deliveries: Held[]; blocked: Blocked[] };
  unseen: { runs: Record<string, number>; ended: Ended[]; sessions: UnseenSession[] };
  today: Today;
}
export interface Run {
  id: string; kind: string; state: string; gate: string | null; parent: string | null;
  label: string | null; command?: string; made_ms: number; started_ms: number | null;
  progress?: { done: number; total: number; waiting: number; failed: number };
}
export interface Page<T> { items: T[]; next: string | null }
