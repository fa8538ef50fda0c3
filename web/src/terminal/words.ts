/** Texts of a terminal. */
export const words = {
  label: "Terminal",
  failed: "This page is of another version than the daemon.",
  waits: "The terminal begins when the job starts.",
  ended: (code: number) => `ended with ${code}`,
  endedBy: (state: string, cause: string) => `${state}${cause === "" ? "" : `, ${cause}`}`,
  readOnly: "read only: this key may not run anything",
  size: (columns: number, rows: number) => `${columns} × ${rows}`,
  leave: "Ctrl+Shift+Esc leaves the terminal",
  refused: "Not typed",
  search: "Search in the terminal",
  none: "no match",
  hits: (at: number, total: number) => `${at} of ${total}`,
  keys: "Keys",
  key: {
    Escape: "Esc", Tab: "Tab", Control: "Ctrl", ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←",
    ArrowRight: "→",
  } as Record<string, string>,
  keyNames: {
    Escape: "Esc", Tab: "Tab", Control: "Ctrl, for the next key", ArrowUp: "up",
    ArrowDown: "down", ArrowLeft: "left", ArrowRight: "right",
  } as Record<string, string>,
};
