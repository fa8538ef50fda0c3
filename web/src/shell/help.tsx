/** The list of shortcuts that count now, and their switch. */
import { Dialog, dialogEnd } from "../parts/dialog.tsx";
import { Caps } from "./kbd.tsx";
import { activeKeys, singleKeys, singleKeysSet } from "./keys.ts";
import { words } from "./words.ts";

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
            <dd><Caps of={key} /></dd>
          </div>
        ))}
      </dl>
      <SingleKeys />
      <p class="foot">
        <a href="/settings/page" onClick={(event) => dialogEnd(event.currentTarget)}>
          {words.changeKeys}
        </a>
        <button class="end" onClick={(event) => dialogEnd(event.currentTarget)}>
          {words.close}
        </button>
      </p>
    </Dialog>
  );
}
