/** A list with its heading and number. */
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

interface SectionProps {
  title: string;
  count: number;
  about?: string | undefined;
  action?: ComponentChildren;
  children: ComponentChildren;
}

export function Section({ title, count, about, action, children }: SectionProps) {
  const id = useId();
  return (
    <section aria-labelledby={id}>
      <div class="head">
        <h2 id={id}>{title}</h2>
        <span class="count">{count}</span>
        <span class="end muted">{about}{action}</span>
      </div>
      {children}
    </section>
  );
}
