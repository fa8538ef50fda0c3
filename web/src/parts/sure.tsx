/** A button for what cannot be taken back: it asks once more, in its place. */
import { useEffect, useRef, useState } from "preact/hooks";

interface SureProps {
  name: string;
  label: string;
  /** The second button's. */
  sure: string;
  onSure(): void;
}

export function Sure({ name, label, sure, onSure }: SureProps) {
  const [asks, asksSet] = useState(false);
  const second = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (asks) second.current?.focus();
  }, [asks]);
  if (!asks) {
    return <button class="quiet" aria-label={label} onClick={() => asksSet(true)}>{name}</button>;
  }
  return (
    <button ref={second} class="bad" onBlur={() => asksSet(false)} onClick={onSure}
      onKeyDown={(event) => event.key === "Escape" && asksSet(false)}>{sure}</button>
  );
}
