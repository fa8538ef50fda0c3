/** The shape and the colour of a state: the same wherever it is shown. */
export type StateMark = [shape: string, tone: string];

const MARKS: Record<string, StateMark> = {
  queued: ["○", "queued"], running: ["◔", "run"], waiting: ["◆", "wait"], succeeded: ["✓", "ok"],
  completed: ["✓", "ok"], degraded: ["◐", "degraded"], failed: ["✕", "fail"],
  interrupted: ["✕", "fail"], denied: ["✕", "fail"], cancelled: ["⊘", "stopped"],
  timed_out: ["⏱", "fail"], lost: ["?", "lost"], outcome_unknown: ["?", "lost"],
};

export const stateMark = (state: string): StateMark => MARKS[state] ?? ["○", "queued"];
