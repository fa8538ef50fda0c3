/** A list with its heading and number. */
import type { ComponentChildren } from "preact";

import { useNamed } from "../router/router.ts";

interface SectionProps {
  title: string;
  count: number;
  about?: string | undefined;
  action?: ComponentChildren;
  children: ComponentChildren;
}

export function Section({ title, count, about, action, children }: SectionProps) {
  const named = useNamed();
  return (
    <section aria-label={named(title)}>
      <div class="head">
        <h2>{title}</h2>
        <span class="count">{count}</span>
        <span class="end muted">{about}{action}</span>
      </div>
      {children}
    </section>
  );
}
