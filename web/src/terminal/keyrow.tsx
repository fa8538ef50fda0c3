/** Keys that a phone does not have. */
import { words } from "./words.ts";

const KEYS = ["Escape", "Tab", "Control", "ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight"];
const ARROWS: Record<string, string> = {
  ArrowUp: "A", ArrowDown: "B", ArrowRight: "C", ArrowLeft: "D",
};

/** Pure: what a key sends. */
export function bytesOf(key: string, appCursor: boolean): string {
  if (key === "Escape") return "\u001b";
  if (key === "Tab") return "\t";
  return `\u001b${appCursor ? "O" : "["}${ARROWS[key] ?? ""}`;
}

/** Pure: a character with Ctrl held. */
export function withControl(text: string): string {
  const code = text.toUpperCase().charCodeAt(0);
  if (text.length !== 1) return text;
  return code >= 64 && code < 96 ? String.fromCharCode(code - 64) : text === " " ? "\u0000" : text;
}

export function KeyRow({ control, press }: { control: boolean; press: (key: string) => void }) {
  return (
    <div class="keyrow" role="group" aria-label={words.keys}>
      {KEYS.map((key) => (
        <button key={key} aria-label={words.keyNames[key]} tabIndex={-1}
          aria-pressed={key === "Control" ? control : undefined}
          // The focus, and with it the keyboard of the phone, stays in the terminal.
          onPointerDown={(event) => event.preventDefault()} onClick={() => press(key)}>
          {words.key[key]}
        </button>
      ))}
    </div>
  );
}
