/** The list of shortcuts that count now, and their switch. */
import { Dialog, dialogEnd } from "../parts/dialog.tsx";
import { activeKeys, singleKeys, singleKeysSet } from "./keys.ts";
import { isMac } from "./rail.tsx";
import { words } from "./words.ts";

const NAMES: Record<string, string> = {
  ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→", Enter: "↵", Escape: "Esc",
  " ": "Space",
};

/** Pure: the caps of a key, as they stand on the keyboard: `g h`, `ctrl+Enter`. */
export function capsOf(key: string, mac: boolean): string[] {
  if (key === " ") return [NAMES[" "] ?? key];
  return key.split(" ").flatMap((one) => {
    const isHeld = one.startsWith("ctrl+");
    const name = isHeld ? one.slice("ctrl+".length) : one;
    const cap = NAMES[name] ?? (isHeld ? name.toUpperCase() : name);
    return isHeld ? [mac ? "⌘" : "Ctrl", cap] : [cap];
  });
}

export function SingleKeys() {
  return (
    <label class="choice">
      <input type="checkbox" checked={singleKeys}
        onChange={(event) => singleKeysSet(event.currentTarget.checked)} />
      <span>{words.single}</span>
    </label>
  );
}

export function Help({ onClose }: { onClose(): void }) {
  const rows = activeKeys().filter(({ about }) => about !== undefined);
  return (
    <Dialog label={words.shortcuts} name="help" onClose={onClose}>
      <h2>{words.shortcuts}</h2>
      <p class="muted">{words.shortcutsAbout}</p>
      <dl class="keys">
        {rows.map(({ key, about }) => (
          <div key={key}>
            <dt>{about}</dt>
            <dd>{capsOf(key, isMac).map((cap, at) => <kbd key={at}>{cap}</kbd>)}</dd>
          </div>
        ))}
      </dl>
      <SingleKeys />
      <p class="foot">
        <button class="end" onClick={(event) => dialogEnd(event.currentTarget)}>
          {words.close}
        </button>
      </p>
    </Dialog>
  );
}
