/** A button for what cannot be taken back: it asks once more, in its place. A double click and a
 *  key that is held are one press: they do not answer what they asked. */
import { useEffect, useRef, useState } from "preact/hooks";

import { GRACE_MS } from "./grace.ts";

interface SureProps {
  name: string;
  label: string;
  /** The second button's. */
  sure: string;
  onSure(): void;
}

/** A button sends clicks for as long as Enter is held on it. */
function onceOnly(event: KeyboardEvent): void {
  if (event.repeat && event.key === "Enter") event.preventDefault();
}

export function Sure({ name, label, sure, onSure }: SureProps) {
  // idle → asked → ready, where a press counts; what leaves the button makes it idle again.
  const [step, stepSet] = useState<"idle" | "asked" | "ready">("idle");
  const second = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (step !== "asked") return undefined;
    second.current?.focus();
    const timer = setTimeout(() => stepSet("ready"), GRACE_MS);
    return () => clearTimeout(timer);
  }, [step]);
  if (step === "idle") {
    return (
      <button type="button" class="quiet" aria-label={label} onKeyDown={onceOnly}
        onClick={() => stepSet("asked")}>{name}</button>
    );
  }
  // It would lose the focus if it were `disabled`.
  return (
    <button ref={second} type="button" class="bad" aria-disabled={step !== "ready"}
      onBlur={() => stepSet("idle")} onClick={() => step === "ready" && onSure()}
      onKeyDown={(event) => {
        onceOnly(event);
        if (event.key === "Escape") stepSet("idle");
      }}>{sure}</button>
  );
}
